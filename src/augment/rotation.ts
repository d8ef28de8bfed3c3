/** Rotation about the centre, counter-clockwise, as torchvision's RandomRotation without expand. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { fillOption, fillSchema, probability, spread, toInterval, warpInterpolation } from './schemas.ts'
import type { Fill, Spread } from './schemas.ts'

export interface RotationOptions {
  /** Degrees: r for [−r, r], or [low, high]. Default 30. */
  readonly degrees?: Spread | undefined
  /** Default 1. */
  readonly p?: number | undefined
  /** Default nearest. */
  readonly interpolation?: 'nearest' | 'bilinear' | undefined
  readonly fill?: Fill | undefined
}

export const rotationSchema: z.ZodType<boolean | RotationOptions> = z.union([
  z.boolean(),
  z.strictObject({
    degrees: spread(360).optional().describe('r for −r to r, or [low, high]; default 30'),
    p: probability.optional().describe('probability; default 1'),
    interpolation: warpInterpolation,
    fill: fillSchema,
  }),
])

export function rotation(options: RotationOptions): Operation {
  return {
    name: 'rotation',
    options: {
      degrees: toInterval(options.degrees ?? 30),
      p: options.p ?? 1,
      interpolation: options.interpolation ?? 'nearest',
      ...fillOption(options.fill),
    },
  }
}
