/** Networks by name. */
import { NativeModule } from '../binding/index.ts'
import type { OptionValue } from '../binding/index.ts'
import { silentLogger } from '../util/logger.ts'
import type { Logger } from '../util/logger.ts'
import { ConfigError } from '../util/errors.ts'
import { findUnavailable } from '../util/unavailable.ts'
import { Model } from './model.ts'
import { unavailableBackbone } from './options.ts'
import type { BackboneOptions, FamilyOptions } from './options.ts'
import { loadPretrained, refusePublishedWeights } from './pretrained.ts'

export interface ModelOptions extends FamilyOptions {
  /** Default 1000, as in timm; 0 for no classifier: forward then gives pooled features. */
  readonly numClasses?: number | undefined
  /** Side of the images in pixels; the default is the network's own. */
  readonly imageSize?: number | undefined
  /** false (default): random weights; a path: a .safetensors file with timm's names. */
  readonly pretrained?: boolean | string | undefined
  /** Of the random weights: equal seeds give equal networks. Without it they come from the stream of torch.manualSeed. */
  readonly seed?: number | undefined
  /** "cpu" (default), "cuda", "cuda:1". */
  readonly device?: string | undefined
  /** Hears what a pretrained file left out. */
  readonly logger?: Logger | undefined
}

/**
 * A network of the registry (`listModels()`), in training mode.
 *
 * @throws {ConfigError} for an unknown name (with near ones), an option the network does not take, or published weights
 * @throws {SnapshotError} when the pretrained file is damaged or belongs to another network
 */
export async function createModel(name: string, options: ModelOptions = {}): Promise<Model> {
  const { pretrained = false, device = 'cpu', logger = silentLogger, ...construction } = options
  refusePublishedWeights(name, pretrained)
  const model = new Model(name, await NativeModule.createBackbone(name, nativeOptions(construction)))
  try {
    if (typeof pretrained === 'string') {
      const leftOut = await loadPretrained(model, pretrained)
      if (leftOut !== null) logger.warn(leftOut)
    }
    if (device !== 'cpu') await model.native.to(device)
    return model
  } catch (error) {
    model.dispose()
    throw error
  }
}

/** What a training phase asks for. */
export interface BackboneRequest {
  readonly backbone: BackboneOptions
  readonly imageSize: number
  readonly device: string
  readonly seed: number
  readonly logger?: Logger | undefined
}

/** The network that a configuration's `backbone` section describes, without a classifier: forward gives pooled features [N, D]. */
export async function createBackbone(request: BackboneRequest): Promise<Model> {
  const { backbone, imageSize, device, seed, logger } = request
  const [waiting] = findUnavailable(backbone, unavailableBackbone)
  if (waiting !== undefined) {
    throw new ConfigError(
      `backbone.${waiting.key} is not available yet (${waiting.what}). Remove it to run without it.`,
    )
  }
  const { name, pretrained, cifarStem, width, patchSize } = backbone
  return createModel(name, { numClasses: 0, imageSize, device, seed, logger, pretrained, cifarStem, width, patchSize })
}

/** camelCase → the addon's snake_case, without what is not set. Unknown names pass: the addon refuses them with a list. */
export function nativeOptions(options: object): Record<string, OptionValue> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value as OptionValue]),
  )
}
