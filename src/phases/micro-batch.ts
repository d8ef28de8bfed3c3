/** Whether a phase's loss is a mean over images, so that a batch can be computed in pieces. */
import type { NativeModule } from '../binding/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { PhaseName } from './context.ts'
import type { LabelLossKind } from './options/label-loss.ts'
import type { TrainingOptions } from './options/training.ts'

/** Margins that follow statistics of the batch. */
const statistical: readonly LabelLossKind[] = ['adaface', 'curricularface']

/** @param loss the loss on the labels; null: there is none */
function reasonOf(name: PhaseName, loss: LabelLossKind | null, options: TrainingOptions): string | null {
  if (name === 'supcon') return 'supervised contrast compares each image with all others of the batch'
  if (((options as { classWeights?: unknown }).classWeights ?? null) !== null)
    return 'class_weights makes it a mean that is weighted over the batch'
  if (loss !== null && statistical.includes(loss)) return `${loss} follows statistics of the batch`
  return null
}

/**
 * @param loss the loss on the labels; null: there is none
 * @throws {ConfigError} where pieces would have another gradient than the batch
 */
export function checkMicroBatch(
  name: PhaseName,
  options: TrainingOptions,
  loss: LabelLossKind | null,
  { networks, logger }: { readonly networks: readonly NativeModule[]; readonly logger: Logger },
): void {
  if (options.microBatch === null) return
  const reason = reasonOf(name, loss, options)
  if (reason !== null)
    throw new ConfigError(
      `${name}.micro_batch: expected a loss that is a mean over images, but ${reason}. Remove the key; lower batch_size instead.`,
      { option: [name, 'microBatch'] },
    )
  const hasStatistics = networks.some((network) =>
    [...network.namedBuffers().keys()].some((key) => /running_mean$/.test(key)),
  )
  if (!hasStatistics || (options.microBatch !== 'auto' && options.microBatch >= options.batchSize)) return
  if (options.microBatch !== 'auto')
    logger.warn(
      `${name}: batch norms see the ${options.microBatch} images of a piece (micro_batch), not the ${options.batchSize} of the batch`,
    )
  else
    logger.warn(
      `${name}: should memory run out, batch norms will see the images of a piece, not those of the batch (micro_batch)`,
    )
}
