/** Phase arcface: metric tuning with a margin between classes (Deng et al. 2019, arXiv 1801.07698, and its relatives). */
import { classificationTask } from './classification-task.ts'
import type { Phase } from './context.ts'
import { cosineHead, LabelLoss } from './label-loss.ts'
import { batchMixer } from './mixing.ts'
import { arcfaceOptionsSchema, marginKindOf, type ArcFaceOptions } from './options/arcface.ts'
import { runTrainingPhase } from './training-phase.ts'

export const arcfacePhase: Phase<ArcFaceOptions> = {
  name: 'arcface',
  summary: 'tunes the backbone with a cosine head and a margin between classes',
  optionsSchema: arcfaceOptionsSchema,
  run(options, context) {
    let labelLoss: LabelLoss | null = null
    return runTrainingPhase(
      {
        name: 'arcface',
        head: cosineHead(options),
        logitScale: options.scale,
        views: 1,
        labelLoss: marginKindOf(options),
        task(parts) {
          if (options.backboneLrScale === 0) parts.pair.backbone.setRequiresGrad(false)
          const { scale } = options
          const loss = new LabelLoss('arcface', marginKindOf(options), options, {
            train: context.data.train,
            device: context.device,
            scale,
          })
          labelLoss = loss
          return classificationTask('arcface', parts, {
            scale,
            backboneLrScale: options.backboneLrScale,
            mixer: batchMixer('arcface', options, context.seed),
            memory: loss,
            loss: async (step) => ({ loss: loss.of(step), parts: {} }),
          })
        },
        dispose: () => labelLoss?.dispose(),
      },
      options,
      context,
    )
  },
}
