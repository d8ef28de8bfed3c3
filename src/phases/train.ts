/** Phase train: plain supervised training, from a configuration with flat keys or a `train` section. */
import { torch } from '../binding/index.ts'
import { jensenShannonLoss } from '../losses/index.ts'
import { classificationTask } from './classification-task.ts'
import type { Phase } from './context.ts'
import { cosineHead, LabelLoss } from './label-loss.ts'
import { batchMixer, firstView } from './mixing.ts'
import { isMargin } from './options/label-loss.ts'
import { trainOptionsSchema, type TrainOptions } from './options/train.ts'
import { runTrainingPhase } from './training-phase.ts'

/** Of each picture where their predictions are compared (AugMix). */
const versions = 3

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
        // a clean version and two augmented ones of its crop
        views: options.jsdWeight > 0 ? versions : 1,
        consistency: options.jsdWeight > 0,
        labelLoss: options.lossFunction,
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
            async loss(step, { size }) {
              if (options.jsdWeight === 0) return { loss: loss.of(step), parts: {} }
              const { ops } = torch
              const label = loss.of(firstView(step, size))
              const consistency = jensenShannonLoss(step.outputs, versions)
              return {
                loss: ops.add(label, ops.mul(consistency, options.jsdWeight)),
                parts: { labels: label, jsd: consistency },
              }
            },
          })
        },
        dispose: () => labelLoss?.dispose(),
      },
      options,
      context,
    )
  },
}
