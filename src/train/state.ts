/** What state.json of a training snapshot holds: counters and results; nothing random, since all randomness is keyed by counters. */
import { z } from 'zod'
import { SnapshotError } from '../util/errors.ts'

/** Running sums of the epoch that is not over yet. */
export interface EpochSums {
  readonly loss: number
  readonly samples: number
  readonly correct: number | null
  readonly seconds: number
}

export interface TrainingState {
  readonly version: 1
  readonly phase: string
  readonly seed: number
  /** optimizer updates made */
  readonly step: number
  /** epochs that are over */
  readonly epoch: number
  /** updates made in the epoch that is not over */
  readonly stepInEpoch: number
  readonly sums: EpochSums
  readonly finished: boolean
  readonly best: { readonly epoch: number; readonly accuracy: number | null; readonly loss: number | null } | null
  /** what callbacks made of the course: TrainingControl */
  readonly learningRateScale: number
  readonly addedSteps: number
  /** what they keep, by their names */
  readonly callbacks: Readonly<Record<string, unknown>>
  /** what the weights belong to; written and read by the phase */
  readonly network: unknown
}

const count = z.number().int().min(0)
const measured = z.number().nullable()

const schema: z.ZodType<TrainingState> = z.object({
  version: z.literal(1),
  phase: z.string(),
  seed: z.number(),
  step: count,
  epoch: count,
  stepInEpoch: count,
  sums: z.object({ loss: z.number(), samples: count, correct: z.number().min(0).nullable(), seconds: z.number() }),
  finished: z.boolean(),
  best: z.object({ epoch: count, accuracy: measured, loss: measured }).nullable(),
  learningRateScale: z.number().positive().default(1),
  addedSteps: count.default(0),
  callbacks: z.record(z.string(), z.unknown()).default({}),
  network: z.unknown(),
})

/** @throws {SnapshotError} when `state` is not that of a training phase */
export function parseTrainingState(state: unknown, path: string): TrainingState {
  const parsed = schema.safeParse(state)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SnapshotError(
    `${path}/state.json: expected the state of a training phase, but ${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? 'differs'}.`,
  )
}

export const emptySums: EpochSums = { loss: 0, samples: 0, correct: null, seconds: 0 }
