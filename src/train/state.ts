/**
 * What a training snapshot holds besides tensors (state.json): counters and results; nothing random, since all randomness is keyed by counters.
 * Its tensors are the networks, their average, the optimizer with Lookahead's slow weights (part "optimizer"). SAM leaves no state.
 */
import { z } from 'zod'
import { plateauStart, scalerStart, type PlateauState, type ScalerState } from '../optim/index.ts'
import { SnapshotError } from '../util/errors.ts'

/** Running sums of the epoch that is not over yet. */
export interface EpochSums {
  readonly loss: number
  readonly samples: number
  readonly correct: number | null
  readonly seconds: number
}

export interface TrainingState {
  readonly version: 2
  readonly phase: string
  readonly seed: number
  /** steps taken: what the budget and all draws go by */
  readonly step: number
  /** optimizer updates made: steps but those that a loss scaler left out; what schedule and weight average go by */
  readonly updates: number
  /** epochs that are over */
  readonly epoch: number
  /** batches taken in the epoch that is not over */
  readonly batchInEpoch: number
  /** the epoch's last step is done, Lookahead's pull and the mean of weights too; only its validation is not */
  readonly settled: boolean
  readonly sums: EpochSums
  readonly finished: boolean
  readonly best: { readonly epoch: number; readonly accuracy: number | null; readonly loss: number | null } | null
  /** of float16 */
  readonly scaler: ScalerState
  /** Lookahead: updates since the slow weights were last pulled */
  readonly sincePull: number
  /** of a schedule that is cut when validation stops improving */
  readonly plateau: PlateauState
  /** weights that the plain mean (SWA) holds */
  readonly averaged: number
  /** steps left out because they were not finite, by `non_finite: skip` */
  readonly skipped: { readonly inRow: number; readonly total: number }
  /** steps that broke and were gone back from, by `non_finite: rewind`; they are left out when they come again */
  readonly rewinds: readonly number[]
  /** the snapshot that a rewind goes back to: that of an epoch's end, whenever the process was stopped since */
  readonly anchor: string | null
  /** images at once that memory was found to suffice for, by `micro_batch: auto`; null: the whole batch so far */
  readonly microBatch: number | null
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
  version: z.literal(2),
  phase: z.string(),
  seed: z.number(),
  step: count,
  updates: count,
  epoch: count,
  batchInEpoch: count,
  settled: z.boolean(),
  sums: z.object({ loss: z.number(), samples: count, correct: z.number().min(0).nullable(), seconds: z.number() }),
  finished: z.boolean(),
  best: z.object({ epoch: count, accuracy: measured, loss: measured }).nullable(),
  scaler: z.object({ scale: z.number().positive(), good: count, skipped: count }),
  sincePull: count,
  plateau: z.object({ best: measured, waited: count, fraction: z.number().positive() }),
  averaged: count,
  skipped: z.object({ inRow: count, total: count }).default({ inRow: 0, total: 0 }),
  rewinds: z.array(count).default([]),
  anchor: z.string().nullable().default(null),
  microBatch: count.nullable().default(null),
  learningRateScale: z.number().positive(),
  addedSteps: count,
  callbacks: z.record(z.string(), z.unknown()),
  network: z.unknown(),
})

export const emptySums: EpochSums = { loss: 0, samples: 0, correct: null, seconds: 0 }

/** Before the first step. */
export function initialState(phase: string, seed: number, network: unknown): TrainingState {
  return {
    version: 2,
    phase,
    seed,
    step: 0,
    updates: 0,
    epoch: 0,
    batchInEpoch: 0,
    settled: false,
    sums: emptySums,
    finished: false,
    best: null,
    scaler: scalerStart,
    sincePull: 0,
    plateau: plateauStart,
    averaged: 0,
    skipped: { inRow: 0, total: 0 },
    rewinds: [],
    anchor: null,
    microBatch: null,
    learningRateScale: 1,
    addedSteps: 0,
    callbacks: {},
    network,
  }
}

/** Between two epochs, with no step left to take: a training that goes on with a smaller length than it has behind it. */
export function isPastItsEnd({ epoch, batchInEpoch, step, finished }: TrainingState, totalSteps: number): boolean {
  return !finished && epoch > 0 && batchInEpoch === 0 && step >= totalSteps
}

/** Version 1 knew one batch a step and none of the later fields. */
function upgraded(state: unknown): unknown {
  if (typeof state !== 'object' || state === null || (state as { version?: unknown }).version !== 1) return state
  const { stepInEpoch, ...old } = state as { stepInEpoch: unknown; step: unknown; phase: string; seed: number }
  return {
    ...initialState(old.phase, old.seed, null),
    ...old,
    version: 2,
    updates: old.step,
    batchInEpoch: stepInEpoch,
  }
}

/** @throws {SnapshotError} when `state` is not that of a training phase */
export function parseTrainingState(state: unknown, path: string): TrainingState {
  const parsed = schema.safeParse(upgraded(state))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new SnapshotError(
    `${path}/state.json: expected the state of a training phase, but ${issue?.path.join('.') ?? 'it'}: ${issue?.message ?? 'differs'}.`,
  )
}
