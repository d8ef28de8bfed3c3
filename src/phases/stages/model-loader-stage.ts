/** Provides the networks of the registry, and tries the configured ones once, so that a wrong option fails before training. */
import { createBackbone, type BackboneOptions } from '../../models/index.ts'
import { trainingPhaseNames, type PhaseName } from '../context.ts'
import { withDownloads } from '../download-progress.ts'
import type { Stage, StageContext } from '../orchestrator.ts'

export class ModelLoaderStage implements Stage {
  readonly name: string = 'model'
  readonly #phases: readonly PhaseName[] | null

  /** @param options.phases whose networks are tried; default: every enabled training phase */
  constructor(options: { readonly phases?: readonly PhaseName[] } = {}) {
    this.#phases = options.phases ?? null
  }

  async run(context: StageContext): Promise<void> {
    const { config, logger, data, signal } = context
    context.createBackbone = (request) =>
      withDownloads(context.progress, (progress) => createBackbone({ logger, signal, progress, ...request }))
    const tried = new Set<string>()
    for (const name of this.#phases ?? trainingPhaseNames) {
      if (!trainingPhaseNames.includes(name)) continue
      const options = config[name as 'train']
      if (this.#phases === null && !options.enabled) continue
      const backbone: BackboneOptions = options.backbone ?? config.backbone
      const imageSize = options.imageSize ?? data?.imageSize ?? config.data.imageSize ?? 32
      const key = JSON.stringify([backbone, imageSize])
      if (tried.has(key)) continue
      tried.add(key)
      const model = await createBackbone({
        backbone: { ...backbone, pretrained: false },
        imageSize,
        device: 'cpu',
        seed: 0,
        logger,
      })
      logger.info(`model: ${model.name}, ${model.parameterCount} parameters, ${model.numFeatures} features`)
      model.dispose()
    }
  }
}
