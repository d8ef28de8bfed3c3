/** What an epoch comes to: its sums, how it is measured, its line of the history. */
import { torch } from '../binding/index.ts'
import type { EpochRecord } from '../tracking/index.ts'
import { errorReason } from '../util/errors.ts'
import { outOfMemoryWhile } from './memory.ts'
import type { LoopParts } from './loop-parts.ts'
import type { EpochSums, TrainingState } from './state.ts'
import type { StepResult } from './step.ts'
import type { Validation } from './task.ts'

export function addToSums(sums: EpochSums, { loss, samples, correct }: StepResult): EpochSums {
  return {
    ...sums,
    loss: sums.loss + loss * samples,
    samples: sums.samples + samples,
    correct: correct === null ? sums.correct : (sums.correct ?? 0) + correct,
  }
}

/** Of the averaged networks where there are any. Null when it was interrupted. */
export async function measure({ task, networks, emaNetworks, signal }: LoopParts): Promise<Validation | null> {
  const { validate } = task
  if (validate === null) return { loss: null, accuracy: null }
  const measured = emaNetworks ?? networks
  measured.backbone.train(false)
  measured.head.train(false)
  try {
    return await torch.scope(() => torch.noGrad(() => validate(measured, signal)))
  } catch (error) {
    if (signal.aborted) return null
    throw errorReason(error) === 'out of memory' ? outOfMemoryWhile('it was validated', task.name, error) : error
  }
}

/** @param state after the last step of the epoch, which is not counted yet */
export function epochRecord(
  phase: string,
  { epoch, step, sums }: TrainingState,
  now: { readonly lr: number; readonly validation: Validation; readonly validationSeconds: number },
): EpochRecord {
  const samples = Math.max(1, sums.samples)
  return {
    phase,
    epoch: epoch + 1,
    step,
    seconds: Number((sums.seconds + now.validationSeconds).toFixed(3)),
    lr: now.lr,
    train_loss: sums.loss / samples,
    train_accuracy: sums.correct === null ? null : sums.correct / samples,
    val_loss: now.validation.loss,
    val_accuracy: now.validation.accuracy,
    images_per_second: Number((sums.samples / Math.max(1e-9, sums.seconds)).toFixed(1)),
  }
}
