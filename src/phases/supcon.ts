/** Phase supcon: supervised contrastive pretraining (Khosla et al. 2020, arXiv 2004.11362). */
import { torch, type Tensor } from '../binding/index.ts'
import { classBalancedSampler, type Batch } from '../data/index.ts'
import { EmbeddingMemory, mixedLabelLoss, supconLoss, type Labels } from '../losses/index.ts'
import { forwardNetworks, type Networks, type TrainingTask } from '../train/index.ts'
import { ConfigError, ShapeError } from '../util/errors.ts'
import type { Phase, Precision } from './context.ts'
import { batchMixer, type BatchMixer } from './mixing.ts'
import { supconOptionsSchema, type SupConOptions } from './options/supcon.ts'
import { runTrainingPhase, type TaskParts } from './training-phase.ts'
import { embeddingValidation } from './validation.ts'

export const supconPhase: Phase<SupConOptions> = {
  name: 'supcon',
  summary: 'pretrains the backbone so that images of one class lie close together',
  optionsSchema: supconOptionsSchema,
  run(options, context) {
    const { xbmSize, xbmStartStep, views } = options
    const memory = xbmSize === 0 ? null : new EmbeddingMemory(xbmSize, xbmStartStep ?? 100)
    return runTrainingPhase(
      {
        name: 'supcon',
        head: { kind: 'projection', hiddenFeatures: options.projectionHidden, outFeatures: options.projectionFeatures },
        logitScale: 1,
        views,
        localCrops: options.localCrops,
        sampler: (dataset, batchSize, seed) =>
          classBalancedSampler(dataset, {
            seed,
            batchSize,
            samplesPerClass: options.samplesPerClass,
            ...(options.classesPerBatch === null ? {} : { classesPerBatch: options.classesPerBatch }),
          }),
        task: (parts) =>
          supconTask(options, parts, batchMixer('supcon', options, context.seed), memory, context.device),
        dispose: () => memory?.dispose(),
      },
      options,
      context,
    )
  },
}

function supconTask(
  options: SupConOptions,
  { precision, validation }: TaskParts,
  mixer: BatchMixer,
  memory: EmbeddingMemory | null,
  device: string,
): TrainingTask {
  return {
    name: 'supcon',
    draw: (networks, batch) => mixer.draw(networks, batch),
    async compute(networks, batch, draws) {
      const step = await mixer.forward(networks, batch, precision, draws)
      const { outputs, labels } =
        batch.localImages === undefined ? step : await withLocalCrops(step, networks, batch, precision)
      memory?.begin()
      const past = memory?.contents() ?? null
      const loss = mixedLabelLoss(labels, (hard) => supconLoss(outputs, hard, options, past))
      // A mixed picture has no class to be remembered by; of small crops there are many, and they show less.
      if (labels.mixed === null) memory?.remember(step.outputs, step.labels.own)
      return { loss, parts: {}, correct: null }
    },
    trainable: ({ backbone, head }) => [
      { prefix: 'backbone', parameters: backbone.namedParameters(), layers: backbone.depth.layers },
      { prefix: 'head', parameters: head.namedParameters() },
    ],
    ...(memory === null ? {} : { state: () => memory.state(), restore: (state) => memory.restore(state, device) }),
    validate: validation === null ? null : embeddingValidation(validation, { ...options, precision }),
  }
}

/**
 * The embeddings of the small crops behind those of the views; every one is an anchor, and a positive of its class.
 *
 * @throws {ConfigError} when the network takes pictures of one size only
 */
async function withLocalCrops(
  step: { readonly outputs: Tensor; readonly labels: Labels },
  networks: Networks,
  batch: Batch,
  precision: Precision,
): Promise<{ outputs: Tensor; labels: Labels }> {
  const images = batch.localImages as Tensor
  const { ops } = torch
  const crops = (images.shape[0] ?? 0) / batch.size
  const { outputs } = await forwardNetworks(networks, images, precision).catch((error: unknown) => {
    if (!(error instanceof ShapeError)) throw error
    throw new ConfigError(
      `supcon.local_crops.image_size: this network does not take pictures of ${images.shape[3]} px (${error.message}). ` +
        'Choose another size or a convolutional network.',
      { cause: error },
    )
  })
  const labels = [step.labels.own, ...Array.from({ length: crops }, () => batch.labels)]
  return { outputs: ops.cat([step.outputs, outputs]), labels: { own: ops.cat(labels), mixed: null } }
}
