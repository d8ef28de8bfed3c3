/** Training tasks over class labels: what train, arcface and distill share. */
import { torch, type Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import { rest, times } from '../losses/index.ts'
import type { NamedPart } from '../optim/index.ts'
import type { Draws, Networks, StepOutput, TrainingTask } from '../train/index.ts'
import type { PhaseName } from './context.ts'
import { firstView, type BatchMixer, type MixedStep } from './mixing.ts'
import type { TaskParts } from './training-phase.ts'
import { classifierValidation, correctRows } from './validation.ts'

export interface ClassificationLoss {
  /**
   * @param step    outputs of the head [views · N, C], labels and images, mixed or not
   * @param scalars numbers that change from batch to batch, by `scalars` of the task
   */
  (step: MixedStep, batch: Batch, scalars: Draws['scalars']): Promise<Pick<StepOutput, 'loss' | 'parts'>>
}

/** @param scale what the head's outputs are multiplied by to be logits */
export function classificationTask(
  name: PhaseName,
  parts: TaskParts,
  options: {
    readonly scale: number
    readonly mixer: BatchMixer
    readonly loss: ClassificationLoss
    /** numbers of the host that the loss reads; of its own names */
    readonly scalars?: (batch: Batch) => Readonly<Record<string, number>>
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
  const draw = async (networks: Networks, batch: Batch): Promise<Draws> => {
    const drawn = await options.mixer.draw(networks, batch)
    return { ...drawn, scalars: { ...drawn.scalars, ...options.scalars?.(batch) } }
  }
  return {
    name,
    draw,
    async compute(networks: Networks, batch: Batch, given?: Draws) {
      const draws = given ?? (await draw(networks, batch))
      const step = await options.mixer.forward(networks, batch, precision, draws)
      const computed = await options.loss(step, batch, draws.scalars)
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
function correctOf({ outputs, labels: { own, mixed } }: MixedStep): Tensor {
  const scores = outputs.detach()
  const right = correctRows(scores, own)
  if (mixed === null) return right
  const others = correctRows(scores, mixed.partner)
  return torch.ops.add(times(right.to('float64'), mixed.lambda), times(others.to('float64'), rest(mixed.lambda)))
}
