/** Phase supcon: supervised contrastive pretraining (Khosla et al. 2020, arXiv 2004.11362). */
import { classBalancedSampler } from '../data/index.ts'
import { mixedLabelLoss, supconLoss } from '../losses/index.ts'
import type { TrainingTask } from '../train/index.ts'
import type { Phase } from './context.ts'
import { batchMixer, type BatchMixer } from './mixing.ts'
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
        task: (parts) => supconTask(options, parts, batchMixer('supcon', options, context.seed)),
      },
      options,
      context,
    )
  },
}

function supconTask(options: SupConOptions, { precision, validation }: TaskParts, mixer: BatchMixer): TrainingTask {
  return {
    name: 'supcon',
    async compute(networks, batch) {
      const { outputs, labels } = await mixer.forward(networks, batch, precision)
      return { loss: mixedLabelLoss(labels, (hard) => supconLoss(outputs, hard, options)), parts: {}, correct: null }
    },
    trainable: ({ backbone, head }) => [
      { prefix: 'backbone', parameters: backbone.namedParameters(), layers: backbone.depth.layers },
      { prefix: 'head', parameters: head.namedParameters() },
    ],
    validate: validation === null ? null : embeddingValidation(validation, { ...options, precision }),
  }
}
