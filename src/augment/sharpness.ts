/** Sharpness by a drawn factor: 0 smooths, 1 changes nothing, above 1 sharpens. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { interval, probability } from './schemas.ts'

export interface SharpnessOptions {
  /** [low, high]. Default [0, 2]. */
  readonly factor?: readonly [number, number] | undefined
  /** Default 0.5. */
  readonly p?: number | undefined
}

export const sharpnessSchema: z.ZodType<boolean | SharpnessOptions> = z.union([
  z.boolean(),
  z.strictObject({
    factor: interval(0, Infinity).optional().describe('[low, high]; 1 changes nothing; default [0, 2]'),
    p: probability.optional().describe('probability; default 0.5'),
  }),
])

export function sharpness(options: SharpnessOptions): Operation {
  return { name: 'sharpness', options: { factor: options.factor ?? [0, 2], p: options.p ?? 0.5 } }
}
