/**
 * RandAugment, Cubuk et al. 2019. https://arxiv.org/abs/1909.13719
 *
 * The list of transformations and their scales are torchvision's: `magnitude` is a place among `bins` values. timm counts 0–10
 * instead (its 9 is 27 of 31 here) and applies each drawn transformation with p 0.5.
 */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { fillOption, fillSchema, probability, warpInterpolation } from './schemas.ts'
import type { Fill } from './schemas.ts'

export interface RandAugmentOptions {
  /** Transformations drawn for each image. Default 2. */
  readonly numOps?: number | undefined
  /** 0 … bins − 1. Default 9. */
  readonly magnitude?: number | undefined
  /** Default 31. */
  readonly bins?: number | undefined
  /** Probability that a drawn transformation is applied. Default 1. */
  readonly p?: number | undefined
  /** Default nearest. */
  readonly interpolation?: 'nearest' | 'bilinear' | undefined
  readonly fill?: Fill | undefined
}

export const randaugmentSchema: z.ZodType<boolean | RandAugmentOptions> = z.union([
  z.boolean(),
  z
    .strictObject({
      numOps: z.int().min(0).max(100).optional().describe('transformations drawn for each image; default 2'),
      magnitude: z.int().min(0).optional().describe('0 to bins − 1; default 9'),
      bins: z.int().min(2).max(1000).optional().describe('values on the scale of magnitudes; default 31'),
      p: probability.optional().describe('that a drawn transformation is applied; default 1'),
      interpolation: warpInterpolation,
      fill: fillSchema,
    })
    .refine(({ magnitude = 9, bins = 31 }) => magnitude < bins, 'expected magnitude below bins (31 unless given)'),
])

export function randaugment(options: RandAugmentOptions): Operation {
  return {
    name: 'randaugment',
    options: {
      num_ops: options.numOps ?? 2,
      magnitude: options.magnitude ?? 9,
      bins: options.bins ?? 31,
      p: options.p ?? 1,
      interpolation: options.interpolation ?? 'nearest',
      ...fillOption(options.fill),
    },
  }
}
