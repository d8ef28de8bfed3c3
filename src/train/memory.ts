/** Memory that does not suffice for a step: said with numbers, or answered with smaller pieces. */
import type { Batch } from '../data/index.ts'
import { BindingError, errorReason } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { StepPlace } from './non-finite.ts'
import { piecesOf } from './pieces.ts'
import type { Stepper, StepRequest, StepResult } from './step.ts'

export interface MicroBatchSetting {
  readonly option: number | 'auto' | null
  /** images at once that memory was found to suffice for */
  readonly found: number | null
  readonly phase: string
  readonly at: StepPlace
  readonly logger: Logger
}

/**
 * A step over the batches in pieces, where `micro_batch` says so; in smaller ones where memory did not suffice for them and it is `auto`.
 *
 * @returns what was found to fit; null: nothing had to be found
 * @throws {BindingError} with numbers, when memory does not suffice
 */
export async function stepInPieces(
  stepper: Stepper,
  batches: readonly Batch[],
  { option, found, phase, at, logger }: MicroBatchSetting,
  request: Omit<StepRequest, 'batches'>,
): Promise<{ readonly result: StepResult; readonly microBatch: number | null }> {
  for (let microBatch = found; ;) {
    const size = microBatch ?? (typeof option === 'number' ? option : Infinity)
    const pieces = batches.flatMap((batch) => piecesOf(batch, size))
    try {
      return { result: await stepper.step({ ...request, batches: pieces }), microBatch }
    } catch (error) {
      if (errorReason(error) !== 'out of memory') throw error
      const described = outOfMemory(error, phase, at, pieces, option)
      const tried = pieces[0]?.size ?? 1
      // Half an update cannot be tried again.
      if (option !== 'auto' || tried === 1 || stepper.isUpdating) throw described
      microBatch = Math.ceil(tried / 2)
      logger.warn(`${described.message} Going on with ${microBatch} images at once.`)
    }
  }
}

/** What the loader gives; where memory does not suffice to prepare a batch, that is said: pieces of it come later. */
export async function* preparedBatches(phase: string, batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
  try {
    yield* batches
  } catch (error) {
    if (errorReason(error) !== 'out of memory') throw error
    throw outOfMemoryWhile('a batch was prepared', phase, error, 'Lower batch_size or image_size')
  }
}

/** Outside of a step, where smaller pieces were of no use. */
export function outOfMemoryWhile(
  what: string,
  phase: string,
  error: unknown,
  remedy = 'Lower image_size or precision, take a smaller network',
): BindingError {
  return new BindingError(
    `${phase}: out of memory while ${what}; the process holds ${residentGigabytes()} GB of main memory. ` +
      `${remedy}, or end other programs. (${error instanceof Error ? error.message : String(error)})`,
    { cause: error, reason: 'out of memory' },
  )
}

function residentGigabytes(): string {
  return (process.memoryUsage.rss() / 1e9).toFixed(2)
}

/** @param pieces what the step was computed in */
function outOfMemory(
  error: unknown,
  phase: string,
  at: StepPlace,
  pieces: readonly Batch[],
  option: number | 'auto' | null,
): BindingError {
  const [first] = pieces
  const [count = 0, , side = 0] = first?.images.shape ?? []
  const images = pieces.reduce((sum, { size }) => sum + size, 0)
  const least = Math.max(1, Math.floor((first?.size ?? 2) / 2))
  const remedy =
    first !== undefined && first.size > 1
      ? `Set micro_batch: ${least}, or auto, which computes the same gradient in smaller pieces; or lower batch_size, image_size or precision`
      : 'A single image does not fit: lower image_size or precision, or take a smaller network'
  return new BindingError(
    `${phase}: out of memory at step ${at.step} (epoch ${at.epoch}), with ${count} × 3 × ${side} × ${side} images at once ` +
      `on ${first?.images.device ?? 'cpu'}, ${images} in the step` +
      `${option === 'auto' ? ' after micro_batch: auto' : ''}; the process holds ${residentGigabytes()} GB of main memory. ` +
      `${remedy}. (${error instanceof Error ? error.message : String(error)})`,
    { cause: error, reason: 'out of memory' },
  )
}
