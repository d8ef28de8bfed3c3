/**
 * TrivialAugment, Müller & Hutter 2021: one transformation, its level uniform. https://arxiv.org/abs/2103.10158
 *
 * The wide scales are torchvision's: enhancers are mirrored about 1 (1 ± 0.99), where the authors' code has 0.01–2.
 */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { fillOption, fillSchema, warpInterpolation } from './schemas.ts'
import type { Fill } from './schemas.ts'

export interface TrivialAugmentOptions {
  /** Wide scales (default), or the authors' standard ones. */
  readonly wide?: boolean | undefined
  /** Default 31. */
  readonly bins?: number | undefined
  /** Default nearest. */
  readonly interpolation?: 'nearest' | 'bilinear' | undefined
  readonly fill?: Fill | undefined
}

export const trivialaugmentSchema: z.ZodType<boolean | TrivialAugmentOptions> = z.union([
  z.boolean(),
  z.strictObject({
    wide: z.boolean().optional().describe('wide scales (default true)'),
    bins: z.int().min(2).max(1000).optional().describe('values on the scale of magnitudes; default 31'),
    interpolation: warpInterpolation,
    fill: fillSchema,
  }),
])

export function trivialaugment(options: TrivialAugmentOptions): Operation {
  return {
    name: 'trivialaugment',
    options: {
      wide: options.wide ?? true,
      bins: options.bins ?? 31,
      interpolation: options.interpolation ?? 'nearest',
      ...fillOption(options.fill),
    },
  }
}
