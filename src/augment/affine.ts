/** Random affine transformation about the centre, as torchvision's RandomAffine. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { fillOption, fillSchema, interval, probability, spread, toInterval, warpInterpolation } from './schemas.ts'
import type { Fill, Spread } from './schemas.ts'

export interface AffineOptions {
  /** Clockwise degrees: r for [−r, r], or [low, high]. Default 0. */
  readonly degrees?: Spread | undefined
  /** Largest share of the width and of the height; rounded to whole pixels. Default [0, 0]. */
  readonly translate?: readonly [number, number] | undefined
  /** [low, high]. Default [1, 1]. */
  readonly scale?: readonly [number, number] | undefined
  /** Degrees along x, and along y. Default 0. */
  readonly shear?: Spread | undefined
  readonly shearY?: Spread | undefined
  /** Default 1. */
  readonly p?: number | undefined
  /** Default nearest. */
  readonly interpolation?: 'nearest' | 'bilinear' | undefined
  /** Default 0. */
  readonly fill?: Fill | undefined
}

export const affineSchema: z.ZodType<AffineOptions> = z.strictObject({
  degrees: spread(360).optional().describe('r for −r to r, or [low, high]; default 0'),
  translate: z
    .tuple([z.number().min(0).max(1), z.number().min(0).max(1)])
    .optional()
    .describe('largest share of the width, and of the height; default [0, 0]'),
  scale: interval(0.01, 100).optional().describe('[low, high]; default [1, 1]'),
  shear: spread(89).optional().describe('degrees along x; default 0'),
  shearY: spread(89).optional().describe('degrees along y; default 0'),
  p: probability.optional().describe('probability; default 1'),
  interpolation: warpInterpolation,
  fill: fillSchema,
})

export function affine(options: AffineOptions): Operation {
  const [x, y] = options.translate ?? [0, 0]
  return {
    name: 'affine',
    options: {
      degrees: toInterval(options.degrees ?? 0),
      translate_x: [-x, x],
      translate_y: [-y, y],
      scale: options.scale ?? [1, 1],
      shear_x: toInterval(options.shear ?? 0),
      shear_y: toInterval(options.shearY ?? 0),
      p: options.p ?? 1,
      interpolation: options.interpolation ?? 'nearest',
      ...fillOption(options.fill ?? 0),
    },
  }
}
