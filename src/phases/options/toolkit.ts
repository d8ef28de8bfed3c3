/** What may be put around an optimizer: `true` takes the defaults, a map changes them. */
import { z } from 'zod'
import type { LookaheadOptions, SamOptions } from '../../optim/index.ts'
import type { SwaOptions } from '../../train/index.ts'

/** null where the default depends on the others. */
export interface SamInput {
  readonly rho: number | null
  readonly adaptive: boolean
  readonly eta: number | null
}

export const samSchema: z.ZodType<boolean | SamInput> = z.union([
  z.boolean(),
  z
    .strictObject({
      rho: z
        .number()
        .positive()
        .nullable()
        .default(null)
        .describe('length of the ascent; default 0.05, with adaptive 0.5'),
      adaptive: z.boolean().default(false).describe('ASAM: the ascent is scaled by the size of each weight'),
      eta: z.number().min(0).nullable().default(null).describe('with adaptive: added to each size; default 0.01'),
    })
    .refine(({ adaptive, eta }) => adaptive || eta === null, {
      path: ['eta'],
      error: 'only read with adaptive: true. Remove the key',
    }),
])

export function samOptions(sam: boolean | SamInput): SamOptions | null {
  if (sam === false) return null
  const { rho, adaptive, eta } = sam === true ? { rho: null, adaptive: false, eta: null } : sam
  return { rho: rho ?? (adaptive ? 0.5 : 0.05), adaptive, eta: eta ?? 0.01 }
}

export const lookaheadSchema: z.ZodType<boolean | LookaheadOptions> = z.union([
  z.boolean(),
  z.strictObject({
    k: z.number().int().min(2).default(6).describe('updates between two pulls'),
    alpha: z.number().gt(0).lt(1).default(0.5).describe('how far the slow weights go towards the fast ones'),
  }),
])

export function lookaheadOptions(lookahead: boolean | LookaheadOptions): LookaheadOptions | null {
  if (lookahead === false) return null
  return lookahead === true ? { k: 6, alpha: 0.5 } : lookahead
}

export const swaSchema: z.ZodType<boolean | SwaOptions> = z.union([
  z.boolean(),
  z.strictObject({
    start: z
      .number()
      .min(0)
      .lt(1)
      .default(0.75)
      .describe('share of the steps after which the weights at the end of each epoch are averaged'),
    lrFraction: z
      .number()
      .gt(0)
      .max(1)
      .nullable()
      .default(null)
      .describe('learning rate from then on, as a fraction of lr; null: the schedule goes on'),
    statisticsBatches: z
      .number()
      .int()
      .positive()
      .default(200)
      .describe('training batches that the batch norms of the mean are estimated from'),
  }),
])

export function swaOptions(swa: boolean | SwaOptions): SwaOptions | null {
  if (swa === false) return null
  return swa === true ? { start: 0.75, lrFraction: null, statisticsBatches: 200 } : swa
}
