/** What happens when NaN or infinity comes up: no weight is touched by it, it is named, and the policy decides how training goes on. */
import { NonFiniteError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'

export interface NonFiniteOptions {
  /** abort ends the phase; skip leaves the step out; rewind goes back to the last epoch's snapshot and leaves the step out there */
  readonly policy: 'abort' | 'skip' | 'rewind'
  /** skip: steps left out one after the other, rewind: times in all, after which the phase ends */
  readonly limit: number
  /** of the learning rate after each rewind */
  readonly lrFactor: number
}

export const abortAtOnce: NonFiniteOptions = { policy: 'abort', limit: 0, lrFactor: 1 }

export interface StepPlace {
  /** from 1 */
  readonly step: number
  readonly epoch: number
}

export interface NonFiniteEvent {
  readonly what: 'loss' | 'gradient norm'
  readonly value: number
  /** where it comes from, as far as it shows */
  readonly origin: string
}

/** Training is to go on from an earlier snapshot. Whoever does not know how meets an error that says what broke. */
export class RewindRequest extends NonFiniteError {
  readonly snapshot: string
  /** all steps that broke so far, with this one */
  readonly steps: readonly number[]

  constructor(error: NonFiniteError, snapshot: string, steps: readonly number[]) {
    super(error.message, { cause: error })
    this.snapshot = snapshot
    this.steps = steps
  }

  override get name(): string {
    return 'NonFiniteError'
  }
}

const remedy = 'Lower lr, set grad_clip (1 is usual), lengthen the warm-up, or use precision: float32; then '

/** Knows the last finite loss, words what came up, and applies the policy. */
export class NonFiniteGuard {
  readonly #task: string
  readonly #options: NonFiniteOptions
  readonly #logger: Logger
  #last: { value: number; step: number } | null = null
  /** the step that the last error was about */
  #brokeAt: number | null = null

  constructor(task: string, options: NonFiniteOptions, logger: Logger) {
    this.#task = task
    this.#options = options
    this.#logger = logger
  }

  finite(loss: number, step: number): void {
    this.#last = { value: loss, step }
  }

  /**
   * @param inRow steps that were left out one after the other, with this one
   * @throws {NonFiniteError} naming the step, the last finite loss, the origin and the snapshot that is kept, unless the step may be left out
   */
  leaveOut(event: NonFiniteEvent, at: StepPlace, inRow: number, kept: string | null): void {
    const { policy, limit } = this.#options
    const what = this.#describe(event, at)
    if (policy === 'skip' && inRow < limit) {
      this.#logger.warn(`${what}. The step is left out (${inRow} in a row).`)
      return
    }
    const untouched =
      policy === 'skip'
        ? `${inRow} steps in a row were left out, as many as non_finite allows, and changed no weight`
        : 'The weights were not changed by it'
    throw this.#error(at, `${what}. ${untouched}. ${snapshotOf(kept)}. ${remedy}${resuming(kept)}.`)
  }

  /** The loss scaler gave up. */
  scaler(why: string, origin: string, at: StepPlace, kept: string | null): NonFiniteError {
    return this.#error(
      at,
      `${this.#task}: ${why} at ${place(at)}${origin === '' ? '' : `; ${origin}`}. ` +
        `The weights were not changed by the steps that overflowed. ${snapshotOf(kept)}. ` +
        `Lower lr, set grad_clip (1 is usual), or use precision: bfloat16 or float32; then ${resuming(kept)}.`,
    )
  }

  /** A finite gradient took the weights over the edge. */
  weights(origin: string, at: StepPlace, kept: string | null): NonFiniteError {
    const text = `${this.#task}: after ${place(at)} ${origin}, so that no snapshot of them was written`
    return this.#error(at, `${text}. ${snapshotOf(kept)}. ${remedy}${resuming(kept)}.`)
  }

  /** What to throw: the error, or the wish to go back from the step that it is about. */
  rewound(error: NonFiniteError, rewinds: readonly number[], snapshot: string | null): NonFiniteError {
    const { policy, limit, lrFactor } = this.#options
    if (policy !== 'rewind' || snapshot === null || this.#brokeAt === null) return error
    if (rewinds.length >= limit)
      return new NonFiniteError(`${error.message} Training went back ${rewinds.length} times before.`, { cause: error })
    this.#logger.warn(
      `${error.message} Going back to ${snapshot} with ${lrFactor} times the learning rate, without step ${this.#brokeAt}.`,
    )
    return new RewindRequest(error, snapshot, [...rewinds, this.#brokeAt])
  }

  #error(at: StepPlace, message: string): NonFiniteError {
    this.#brokeAt = at.step
    return new NonFiniteError(message)
  }

  /** "tints loss became NaN at step 8 (epoch 2); last finite loss 0.9 at step 7; of its parts, kd is NaN". */
  #describe({ what, value, origin }: NonFiniteEvent, at: StepPlace): string {
    const last =
      this.#last === null
        ? 'no finite loss came before'
        : `last finite loss ${this.#last.value.toPrecision(4)} at step ${this.#last.step}`
    return (
      `${this.#task} ${what} became ${Number.isNaN(value) ? 'NaN' : 'infinite'} at ${place(at)}; ${last}` +
      (origin === '' ? '' : `; ${origin}`)
    )
  }
}

function place({ step, epoch }: StepPlace): string {
  return `step ${step} (epoch ${epoch})`
}

function snapshotOf(kept: string | null): string {
  return kept === null ? 'No snapshot was written yet' : `Snapshot kept: ${kept}`
}

/** What --resume does: without a snapshot there is nothing in this phase to go on from. */
function resuming(kept: string | null): string {
  return kept === null
    ? 'begin this phase again, which is what --resume does without a snapshot'
    : 'go on with --resume'
}
