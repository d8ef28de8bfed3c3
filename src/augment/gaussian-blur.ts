/** Gaussian blur of a drawn width, the edge mirrored, as torchvision's GaussianBlur. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { interval, probability } from './schemas.ts'

export interface GaussianBlurOptions {
  /** Odd, in pixels. Default: a tenth of the shorter side, at least 3. */
  readonly kernelSize?: number | undefined
  /** σ in pixels, [low, high]. Default [0.1, 2]. */
  readonly sigma?: readonly [number, number] | undefined
  /** Default 0.5. */
  readonly p?: number | undefined
}

export const gaussianBlurSchema: z.ZodType<boolean | GaussianBlurOptions> = z.union([
  z.boolean(),
  z.strictObject({
    kernelSize: z
      .int()
      .min(1)
      .max(255)
      .refine((size) => size % 2 === 1, 'expected an odd number')
      .optional()
      .describe('odd; default: a tenth of the shorter side, at least 3'),
    sigma: interval(0.001, 1000).optional().describe('width in pixels, [low, high]; default [0.1, 2]'),
    p: probability.optional().describe('probability; default 0.5'),
  }),
])

export function gaussianBlur(options: GaussianBlurOptions): Operation {
  return {
    name: 'gaussian_blur',
    options: { kernel_size: options.kernelSize ?? 0, sigma: options.sigma ?? [0.1, 2], p: options.p ?? 0.5 },
  }
}
