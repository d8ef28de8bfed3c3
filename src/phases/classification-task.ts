/** Training tasks over class labels: what train, arcface and distill share. */
import type { Batch } from '../data/index.ts'
import type { Networks, StepOutput, TrainingTask } from '../train/index.ts'
import type { PhaseName } from './context.ts'
import type { BatchMixer, MixedStep } from './mixing.ts'
import type { TaskParts } from './training-phase.ts'
import { classifierValidation, correctCount } from './validation.ts'

export interface ClassificationLoss {
  /** @param step outputs of the head [N, C], labels and images, mixed or not */
  (step: MixedStep): Promise<Pick<StepOutput, 'loss' | 'parts'>>
}

/** @param scale what the head's outputs are multiplied by to be logits */
export function classificationTask(
  name: PhaseName,
  parts: TaskParts,
  options: {
    readonly scale: number
    readonly mixer: BatchMixer
    readonly loss: ClassificationLoss
    readonly backboneLrScale?: number
  },
): TrainingTask {
  const { precision, validation } = parts
  return {
    name,
    async compute(networks: Networks, batch: Batch) {
      const step = await options.mixer.forward(networks, batch, precision)
      const computed = await options.loss(step)
      return { ...computed, correct: correctOf(step) }
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

/** Of a mixed picture each of its two labels counts by its share. */
function correctOf({ outputs, labels: { own, mixed } }: MixedStep): number {
  const scores = outputs.detach()
  const right = correctCount(scores, own)
  if (mixed === null) return right
  return mixed.lambda * right + (1 - mixed.lambda) * correctCount(scores, mixed.partner)
}
