/** What a training phase does when a step breaks: NaN and infinity, and memory that does not suffice. */
import { z } from 'zod'
import type { NonFiniteOptions } from '../../train/index.ts'

export type NonFiniteKind = 'abort' | 'skip' | 'rewind'

/** null takes the policy's own. */
export interface NonFiniteInput {
  readonly policy: NonFiniteKind
  readonly limit: number | null
  readonly lrFactor: number | null
}

export const nonFiniteSchema: z.ZodType<NonFiniteKind | NonFiniteInput> = z.union([
  z.enum(['abort', 'skip', 'rewind']),
  z
    .strictObject({
      policy: z.enum(['abort', 'skip', 'rewind']),
      limit: z
        .number()
        .int()
        .positive()
        .nullable()
        .default(null)
        .describe('skip: steps in a row at which it ends, null: 50; rewind: times in all, null: 3'),
      lrFactor: z
        .number()
        .gt(0)
        .max(1)
        .nullable()
        .default(null)
        .describe('of the learning rate after each rewind; null: 0.5'),
    })
    .superRefine(({ policy, limit, lrFactor }, issues) => {
      const unread = (key: string): void =>
        issues.addIssue({ code: 'custom', path: [key], message: `policy ${policy} does not read it. Remove the key` })
      if (policy === 'abort' && limit !== null) unread('limit')
      if (policy !== 'rewind' && lrFactor !== null) unread('lrFactor')
    }),
])

export function nonFiniteOptions(input: NonFiniteKind | NonFiniteInput): NonFiniteOptions {
  const { policy, limit, lrFactor } = typeof input === 'string' ? { policy: input, limit: null, lrFactor: null } : input
  const usual = { abort: 0, skip: 50, rewind: 3 } as const
  return { policy, limit: limit ?? usual[policy], lrFactor: policy === 'rewind' ? (lrFactor ?? 0.5) : 1 }
}

/** Images that go through the network at once; 'auto': as many as the memory takes. */
export type MicroBatch = number | 'auto' | null

export const microBatchSchema: z.ZodType<MicroBatch> = z
  .union([z.number().int().positive(), z.literal('auto')])
  .nullable()
