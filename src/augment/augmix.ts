/** AugMix, Hendrycks et al. 2019, as torchvision defines it. https://arxiv.org/abs/1912.02781 */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { fillOption, fillSchema, warpInterpolation } from './schemas.ts'
import type { Fill } from './schemas.ts'

export interface AugMixOptions {
  /** Magnitudes are drawn from the weakest of 10. Default 3. */
  readonly severity?: number | undefined
  /** Chains that are averaged. Default 3. */
  readonly width?: number | undefined
  /** Transformations in a chain; 0: 1 to 3, drawn. Default 0. */
  readonly depth?: number | undefined
  /** Of the Dirichlet and Beta weights. Default 1. */
  readonly alpha?: number | undefined
  /** With brightness, colour, contrast and sharpness, which overlap with ImageNet-C. Default true, as in torchvision. */
  readonly allOps?: boolean | undefined
  /** Default bilinear. */
  readonly interpolation?: 'nearest' | 'bilinear' | undefined
  readonly fill?: Fill | undefined
}

export const augmixSchema: z.ZodType<boolean | AugMixOptions> = z.union([
  z.boolean(),
  z.strictObject({
    severity: z.int().min(1).max(10).optional().describe('magnitudes are the weakest of 10; default 3'),
    width: z.int().min(1).max(100).optional().describe('chains that are averaged; default 3'),
    depth: z.int().min(0).max(100).optional().describe('transformations in a chain; 0 (default): 1 to 3, drawn'),
    alpha: z.number().positive().optional().describe('of the Dirichlet and Beta weights; default 1'),
    allOps: z.boolean().optional().describe('with brightness, colour, contrast and sharpness; default true'),
    interpolation: warpInterpolation,
    fill: fillSchema,
  }),
])

export function augmix(options: AugMixOptions): Operation {
  return {
    name: 'augmix',
    options: {
      severity: options.severity ?? 3,
      width: options.width ?? 3,
      depth: options.depth ?? 0,
      alpha: options.alpha ?? 1,
      all_ops: options.allOps ?? true,
      interpolation: options.interpolation ?? 'bilinear',
      ...fillOption(options.fill),
    },
  }
}
