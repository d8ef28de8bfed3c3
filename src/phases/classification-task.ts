/** Training tasks over class labels: what train, arcface and distill share. */
import type { Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import type { Networks, StepOutput, TrainingTask } from '../train/index.ts'
import { forwardNetworks } from '../train/index.ts'
import type { PhaseName } from './context.ts'
import type { TaskParts } from './training-phase.ts'
import { classifierValidation, correctCount } from './validation.ts'

export interface ClassificationLoss {
  /** @param outputs of the head [N, C] @param batch its labels and images */
  (outputs: Tensor, batch: Batch): Promise<Pick<StepOutput, 'loss' | 'parts'>>
}

/** @param scale what the head's outputs are multiplied by to be logits */
export function classificationTask(
  name: PhaseName,
  parts: TaskParts,
  options: { readonly scale: number; readonly loss: ClassificationLoss; readonly backboneLrScale?: number },
): TrainingTask {
  const { precision, validation } = parts
  return {
    name,
    async compute(networks: Networks, batch: Batch) {
      const { outputs } = await forwardNetworks(networks, batch.images, precision)
      const computed = await options.loss(outputs, batch)
      return { ...computed, correct: correctCount(outputs.detach(), batch.labels) }
    },
    trainable: ({ backbone, head }) => [
      {
        prefix: 'backbone',
        parameters: backbone.namedParameters(),
        learningRateScale: options.backboneLrScale ?? 1,
        layers: backbone.depth.layers,
      },
      { prefix: 'head', parameters: head.namedParameters() },
    ],
    validate: validation === null ? null : classifierValidation(validation, { scale: options.scale, precision }),
  }
}
