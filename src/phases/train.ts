/** Phase train: plain supervised training, from a configuration with flat keys or a `train` section. */
import { arcfaceLoss, crossEntropyLoss, mixedLabelLoss } from '../losses/index.ts'
import { classificationTask } from './classification-task.ts'
import type { Phase } from './context.ts'
import { batchMixer } from './mixing.ts'
import { trainOptionsSchema, unavailableTrain, type TrainOptions } from './options/train.ts'
import { runTrainingPhase } from './training-phase.ts'

export const trainPhase: Phase<TrainOptions> = {
  name: 'train',
  summary: 'trains a classifier on the labels',
  optionsSchema: trainOptionsSchema,
  run(options, context) {
    const cosine = options.lossFunction === 'arcface'
    const scale = cosine ? options.scale : 1
    return runTrainingPhase(
      {
        name: 'train',
        head: { kind: cosine ? 'cosine' : 'linear' },
        logitScale: scale,
        views: 1,
        unavailable: unavailableTrain,
        task: (parts) =>
          classificationTask('train', parts, {
            scale,
            mixer: batchMixer('train', options, context.seed),
            loss: async ({ outputs, labels }) => ({
              loss: mixedLabelLoss(labels, (hard) =>
                cosine ? arcfaceLoss(outputs, hard, options) : crossEntropyLoss(outputs, hard, options),
              ),
              parts: {},
            }),
          }),
      },
      options,
      context,
    )
  },
}
