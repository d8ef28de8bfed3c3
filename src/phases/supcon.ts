/** Phase supcon: supervised contrastive pretraining (Khosla et al. 2020, arXiv 2004.11362). */
import { torch } from '../binding/index.ts'
import { classBalancedSampler } from '../data/index.ts'
import { supconLoss } from '../losses/index.ts'
import { forwardNetworks, type TrainingTask } from '../train/index.ts'
import type { Phase } from './context.ts'
import { supconOptionsSchema, unavailableSupcon, type SupConOptions } from './options/supcon.ts'
import { runTrainingPhase, type TaskParts } from './training-phase.ts'
import { embeddingValidation } from './validation.ts'

const views = 2

export const supconPhase: Phase<SupConOptions> = {
  name: 'supcon',
  summary: 'pretrains the backbone so that images of one class lie close together',
  optionsSchema: supconOptionsSchema,
  run(options, context) {
    return runTrainingPhase(
      {
        name: 'supcon',
        head: { kind: 'projection', hiddenFeatures: options.projectionHidden, outFeatures: options.projectionFeatures },
        logitScale: 1,
        views,
        unavailable: unavailableSupcon,
        sampler: (dataset, batchSize, seed) =>
          classBalancedSampler(dataset, {
            seed,
            batchSize,
            samplesPerClass: options.samplesPerClass,
            ...(options.classesPerBatch === null ? {} : { classesPerBatch: options.classesPerBatch }),
          }),
        task: (parts) => supconTask(options, parts),
      },
      options,
      context,
    )
  },
}

function supconTask(options: SupConOptions, { precision, validation }: TaskParts): TrainingTask {
  return {
    name: 'supcon',
    async compute(networks, batch) {
      const { outputs } = await forwardNetworks(networks, batch.images, precision)
      // images are stacked view by view, so the labels repeat as a block
      const labels = torch.ops.cat(Array.from({ length: batch.views }, () => batch.labels))
      return { loss: supconLoss(outputs, labels, options), parts: {}, correct: null }
    },
    trainable: ({ backbone, head }) => [
      { prefix: 'backbone', parameters: backbone.namedParameters(), layers: backbone.depth.layers },
      { prefix: 'head', parameters: head.namedParameters() },
    ],
    validate: validation === null ? null : embeddingValidation(validation, { ...options, precision }),
  }
}
