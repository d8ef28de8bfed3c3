/** Networks by name. */
import { NativeModule } from '../binding/index.ts'
import type { DownloadContext } from '../util/download.ts'
import { silentLogger } from '../util/logger.ts'
import type { Logger } from '../util/logger.ts'
import { adapterOptions, withoutAdapters } from './adapters.ts'
import type { AdapterOptions } from './adapters.ts'
import { blockOptions, withoutIdleSwitches } from './block-options.ts'
import { loadHalves, withChosenName } from './hybrid.ts'
import type { HybridOptions } from './hybrid.ts'
import { Model } from './model.ts'
import { nativeOptions } from './native-options.ts'
import type { BackboneOptions, FamilyOptions } from './options.ts'
import { loadPretrained, obtainWeights, tell, weightsSource } from './pretrained.ts'

/** Who hears of weights that are fetched. */
export interface Listening {
  /** Hears whose weights are loaded, under which licence, and what a file left out. */
  readonly logger?: Logger | undefined
  readonly progress?: DownloadContext['progress']
  /** Ends a download with its reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ModelOptions extends FamilyOptions, AdapterOptions, Listening {
  /** Default 1000, as in timm; 0 for no classifier: forward then gives pooled features. */
  readonly numClasses?: number | undefined
  /** Side of the images in pixels; the default is the network's own. */
  readonly imageSize?: number | undefined
  /**
   * false (default): random weights; true: the published ones of the network (`listModels()` names repository and licence);
   * `hf:<repository>[@<revision>]`: a repository's; any other text: a file (.safetensors, .pth, .pt, .th) with timm's names.
   */
  readonly pretrained?: boolean | string | undefined
  /** Of the random weights: equal seeds give equal networks. Without it they come from the stream of torch.manualSeed. */
  readonly seed?: number | undefined
  /** "cpu" (default), "cuda", "cuda:1". */
  readonly device?: string | undefined
}

/**
 * A network of the registry (`listModels()`), in training mode.
 *
 * @throws {ConfigError} for an unknown name (with near ones), an option the network does not take, or weights that nobody published
 * @throws {SnapshotError} when the weights cannot be had, are damaged, or belong to another network
 */
export async function createModel(name: string, options: ModelOptions = {}): Promise<Model> {
  const { pretrained = false, device = 'cpu', logger = silentLogger, progress, signal, ...rest } = options
  const adapters = adapterOptions(rest)
  const construction = withoutAdapters(rest)
  const isPublishedHybrid = name === 'hybrid' && pretrained === true
  const source = isPublishedHybrid ? null : weightsSource(name, pretrained)
  const native = await NativeModule.createBackbone(name, nativeOptions(withoutIdleSwitches(construction)))
  const model = new Model(name, native)
  try {
    if (source !== null) {
      const path = await obtainWeights(source, { logger, progress, signal })
      tell(await loadPretrained(model, path), logger)
    }
    if (isPublishedHybrid) {
      await loadHalves(model, construction, (half, own) =>
        createModel(half, {
          ...own,
          imageSize: model.preprocessing.imageSize,
          numClasses: 0,
          pretrained,
          logger,
          progress,
          signal,
        }),
      )
    }
    // After the weights: those of published networks know no adapters.
    await model.attachAdapters(adapters, { seed: options.seed })
    if (device !== 'cpu') await model.native.to(device)
    return model
  } catch (error) {
    model.dispose()
    throw error
  }
}

/** What a training phase asks for. */
export interface BackboneRequest extends Listening {
  readonly backbone: BackboneOptions
  readonly imageSize: number
  readonly device: string
  readonly seed: number
}

/** The network that a configuration's `backbone` section describes, without a classifier: forward gives pooled features [N, D]. */
export async function createBackbone(request: BackboneRequest): Promise<Model> {
  const { backbone, ...rest } = request
  const { name, pretrained, cifarStem, width, patchSize, cnnModel, vitModel, fusion, fusionWidth } =
    withChosenName(backbone)
  const halves: HybridOptions = { cnnModel, vitModel, fusion, fusionWidth }
  const family = { cifarStem, width, patchSize, ...halves, ...blockOptions(backbone), ...adapterOptions(backbone) }
  return createModel(name, { ...rest, numClasses: 0, pretrained, ...family })
}
