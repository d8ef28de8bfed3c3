/** Phase arcface: metric tuning with an additive angular margin (Deng et al. 2019, arXiv 1801.07698). */
import { arcfaceLoss, mixedLabelLoss } from '../losses/index.ts'
import { classificationTask } from './classification-task.ts'
import type { Phase } from './context.ts'
import { batchMixer } from './mixing.ts'
import { arcfaceOptionsSchema, unavailableArcface, type ArcFaceOptions } from './options/arcface.ts'
import { runTrainingPhase } from './training-phase.ts'

export const arcfacePhase: Phase<ArcFaceOptions> = {
  name: 'arcface',
  summary: 'tunes the backbone with a cosine head and an angular margin between classes',
  optionsSchema: arcfaceOptionsSchema,
  run(options, context) {
    return runTrainingPhase(
      {
        name: 'arcface',
        head: { kind: 'cosine' },
        logitScale: options.scale,
        views: 1,
        unavailable: unavailableArcface,
        task(parts) {
          if (options.backboneLrScale === 0) parts.pair.backbone.setRequiresGrad(false)
          return classificationTask('arcface', parts, {
            scale: options.scale,
            backboneLrScale: options.backboneLrScale,
            mixer: batchMixer('arcface', options, context.seed),
            loss: async ({ outputs, labels }) => ({
              loss: mixedLabelLoss(labels, (hard) => arcfaceLoss(outputs, hard, options)),
              parts: {},
            }),
          })
        },
      },
      options,
      context,
    )
  },
}
