/** Training tasks over class labels: what train, arcface and distill share. */
import type { Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import type { NamedPart } from '../optim/index.ts'
import type { Networks, StepOutput, TrainingTask } from '../train/index.ts'
import type { PhaseName } from './context.ts'
import { firstView, type BatchMixer, type MixedStep } from './mixing.ts'
import type { TaskParts } from './training-phase.ts'
import { classifierValidation, correctCount } from './validation.ts'

export interface ClassificationLoss {
  /** @param step outputs of the head [views · N, C], labels and images, mixed or not */
  (step: MixedStep, batch: Batch): Promise<Pick<StepOutput, 'loss' | 'parts'>>
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
    /** trained beside the networks, and no part of them */
    readonly beside?: readonly NamedPart[]
    /** what the loss remembers between steps */
    readonly memory?: {
      state(): Map<string, Tensor>
      restore(state: ReadonlyMap<string, Tensor>): void | Promise<void>
    }
  },
): TrainingTask {
  const { precision, validation } = parts
  const { memory, beside = [] } = options
  return {
    name,
    async compute(networks: Networks, batch: Batch) {
      const step = await options.mixer.forward(networks, batch, precision)
      const computed = await options.loss(step, batch)
      return { ...computed, correct: correctOf(batch.views === 1 ? step : firstView(step, batch.size)) }
    },
    trainable: ({ backbone, head }) => [
      {
        prefix: 'backbone',
        parameters: backbone.namedParameters(),
        learningRateScale: options.backboneLrScale ?? 1,
        layers: backbone.depth.layers,
      },
      { prefix: 'head', parameters: head.namedParameters() },
      ...beside,
    ],
    ...(memory === undefined ? {} : { state: () => memory.state(), restore: (state) => memory.restore(state) }),
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
