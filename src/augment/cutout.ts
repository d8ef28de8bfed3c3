/** Cutout, DeVries & Taylor 2017: squares of the mean colour, clipped at the border. https://arxiv.org/abs/1708.04552 */
import { z } from 'zod'
import type { Geometry, Operation } from './operation.ts'
import { probability } from './schemas.ts'

export interface CutoutOptions {
  /** Side in pixels. Default: half of the image size (16 for CIFAR-10, as in the paper). */
  readonly size?: number | undefined
  /** Default 1. */
  readonly holes?: number | undefined
  /** Default 1. */
  readonly p?: number | undefined
}

export const cutoutSchema: z.ZodType<boolean | CutoutOptions> = z.union([
  z.boolean(),
  z.strictObject({
    size: z.int().min(1).max(8192).optional().describe('side in pixels; default: half of the image size'),
    holes: z.int().min(1).max(1000).optional().describe('default 1'),
    p: probability.optional().describe('probability; default 1'),
  }),
])

export function cutout(options: CutoutOptions, { imageSize }: Geometry): Operation {
  return {
    name: 'cutout',
    options: {
      size: options.size ?? Math.max(1, Math.round(imageSize / 2)),
      holes: options.holes ?? 1,
      p: options.p ?? 1,
    },
  }
}
