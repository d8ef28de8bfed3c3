/** What a training phase leaves as it is, and for how long. */
import { z } from 'zod'
import type { OptionShape } from '../../util/option-shape.ts'

export interface FreezeOptions {
  /** the first of the backbone's stages; the stem is the first */
  readonly stages: number | null
  /** consecutive parts of dotted names of parameters */
  readonly patterns: readonly string[] | null
  /** epochs that pass before the frozen parameters are trained too; null: they never are */
  readonly untilEpoch: number | null
}

const shape: OptionShape<FreezeOptions> = {
  stages: z
    .number()
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe('the first stages of the backbone, the stem being the first; with no patterns either: all of it'),
  patterns: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe('parameters to freeze by parts of their names, such as blocks.0, norm1 or blocks.*.attn'),
  untilEpoch: z
    .number()
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe('epochs after which the frozen parameters are trained too; null: never'),
}

export const freezeSchema: z.ZodType<boolean | FreezeOptions> = z.union([z.boolean(), z.strictObject(shape)])

/** null: nothing is frozen; `true` is the whole backbone, for good. */
export function freezeOptions(freeze: boolean | FreezeOptions): FreezeOptions | null {
  if (freeze === false) return null
  return freeze === true ? { stages: null, patterns: null, untilEpoch: null } : freeze
}
