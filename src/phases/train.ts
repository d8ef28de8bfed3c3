/** Phase train: plain supervised training, from a configuration with flat keys or a `train` section. */
import { classificationTask } from './classification-task.ts'
import type { Phase } from './context.ts'
import { cosineHead, LabelLoss } from './label-loss.ts'
import { batchMixer } from './mixing.ts'
import { isMargin } from './options/label-loss.ts'
import { trainOptionsSchema, unavailableTrain, type TrainOptions } from './options/train.ts'
import { runTrainingPhase } from './training-phase.ts'

export const trainPhase: Phase<TrainOptions> = {
  name: 'train',
  summary: 'trains a classifier on the labels',
  optionsSchema: trainOptionsSchema,
  run(options, context) {
    const cosine = isMargin(options.lossFunction)
    const scale = cosine ? options.scale : 1
    let labelLoss: LabelLoss | null = null
    return runTrainingPhase(
      {
        name: 'train',
        head: cosine ? cosineHead(options) : { kind: 'linear' },
        logitScale: scale,
        views: 1,
        unavailable: unavailableTrain,
        task(parts) {
          const loss = new LabelLoss('train', options.lossFunction, options, {
            train: context.data.train,
            device: context.device,
            scale,
          })
          labelLoss = loss
          return classificationTask('train', parts, {
            scale,
            mixer: batchMixer('train', options, context.seed),
            memory: loss,
            loss: async (step, _, isNewBatch) => ({ loss: loss.of(step, isNewBatch), parts: {} }),
          })
        },
        dispose: () => labelLoss?.dispose(),
      },
      options,
      context,
    )
  },
}
