/**
 * Provides the networks of the registry, tries the configured ones once, and fetches or looks for the weights that they start from, so that
 * what is wrong fails before training.
 */
import { createBackbone, ensureWeights, type BackboneOptions, type Model } from '../../models/index.ts'
import type { Logger } from '../../util/logger.ts'
import { checkOptionNames } from '../../util/option-names.ts'
import { checkCompile, checkCompiledTeacher } from '../compile.ts'
import { predecessors, trainingPhaseNames, type PhaseName } from '../context.ts'
import { withDownloads } from '../download-progress.ts'
import { freezeBackbone } from '../freezing.ts'
import { namesWeights } from '../lineage.ts'
import { withoutPretrained } from '../networks.ts'
import { withOption } from '../option-at-fault.ts'
import { checkMixing } from '../mixing.ts'
import type { Stage, StageContext } from '../orchestrator.ts'
import type { PipelineConfig } from '../pipeline-config.ts'

/** Where a backbone and the size of its images are written. */
interface Place {
  readonly section: readonly string[]
  readonly size: readonly string[]
  readonly logger: Logger
}

export class ModelLoaderStage implements Stage {
  readonly name: string = 'model'
  readonly #phases: readonly PhaseName[] | null

  /** @param options.phases whose networks are tried; default: every enabled training phase */
  constructor(options: { readonly phases?: readonly PhaseName[] } = {}) {
    checkOptionNames('ModelLoaderStage', options, { phases: true })
    this.#phases = options.phases ?? null
  }

  async run(context: StageContext): Promise<void> {
    const { config, logger, data, signal } = context
    context.createBackbone = (request) =>
      withDownloads(context.progress, (progress) => createBackbone({ logger, signal, progress, ...request }))
    const tried = new Set<string>()
    for (const name of trainingPhaseNames) {
      if (!this.#runs(name, config)) continue
      const options = config[name as 'train']
      const backbone: BackboneOptions = options.backbone ?? config.backbone
      checkCompile(name, options, context.device, config.backbone)
      const imageSize = options.imageSize ?? data?.imageSize ?? config.data.imageSize ?? 32
      // A phase that goes on from another one takes the weights of that one, unless it names some itself.
      const needed = predecessors[name].length === 0 ? backbone.pretrained : (options.backbone?.pretrained ?? false)
      if (!context.resume)
        await withDownloads(context.progress, (progress) =>
          ensureWeights(backbone, needed, { logger, signal, progress }),
        )
      const key = JSON.stringify([backbone, imageSize, options.freeze, options.mixMethod === 'mixtoken'])
      if (tried.has(key)) continue
      tried.add(key)
      const section = options.backbone === null ? ['backbone'] : [name, 'backbone']
      const size = options.imageSize === null ? ['data', 'imageSize'] : [name, 'imageSize']
      const model = await this.#build(backbone, imageSize, { section, size, logger })
      logger.info(`model: ${model.name}, ${model.parameterCount} parameters, ${model.numFeatures} features`)
      try {
        await checkMixing(name, options, model.native, imageSize)
        await freezeBackbone(name, model.native, options, logger)
      } finally {
        model.dispose()
      }
    }
    if (!this.#runs('distill', config)) return
    const { teacherBackbone, imageSize } = config.distill
    if (teacherBackbone !== null) {
      checkCompiledTeacher(config.distill, context.device, teacherBackbone)
      const place = { section: ['distill', 'teacherBackbone'], size: ['data', 'imageSize'], logger }
      const size = imageSize ?? data?.imageSize ?? config.data.imageSize ?? 32
      const model = await this.#build(teacherBackbone, size, place)
      model.dispose()
    }
    const teacher = context.resume ? null : config.distill.teacherBackbonePath
    if (teacher !== null && (await namesWeights(teacher)))
      await withDownloads(context.progress, (progress) =>
        ensureWeights(config.distill.teacherBackbone ?? config.backbone, teacher, { logger, signal, progress }),
      )
  }

  /** @throws {ConfigError} that says which option is at fault */
  async #build(backbone: BackboneOptions, imageSize: number, place: Place): Promise<Model> {
    const request = { backbone: withoutPretrained(backbone), imageSize, device: 'cpu', seed: 0, logger: place.logger }
    return createBackbone(request).catch((error: unknown) => {
      throw withOption(error, place.section, backbone, place.size)
    })
  }

  #runs(name: PhaseName, config: PipelineConfig): boolean {
    return this.#phases === null ? config[name as 'train'].enabled : this.#phases.includes(name)
  }
}
