/** Loads the addon: the only place that does. Its raw functions, typed. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BindingError, ConfigError, DatasetError, NonFiniteError, ShapeError, SnapshotError } from '../util/errors.ts'
import type { TriviumError } from '../util/errors.ts'
import { reasonOf } from './error-reason.ts'
import type { BackboneCost, StoredTensor, Versions, DeviceMemory } from './native-types.ts'

export type { BackboneCost, StoredTensor, Versions, DeviceMemory } from './native-types.ts'

declare const brand: unique symbol
/** Opaque handles that the addon hands out. */
export interface TensorHandle {
  readonly [brand]: 'tensor'
}
export interface ModuleHandle {
  readonly [brand]: 'module'
}
export interface OptimizerHandle {
  readonly [brand]: 'optimizer'
}
export interface AverageHandle {
  readonly [brand]: 'average'
}
export interface GraphHandle {
  readonly [brand]: 'graph'
}
export interface PlanHandle {
  readonly [brand]: 'plan'
}
export interface LockHandle {
  readonly [brand]: 'lock'
}

export interface PackHandle {
  readonly [brand]: 'pack'
}

/** Gradients: not at all, by their global norm, each element, or each unit by the norm of its weights. */
export type ClipMode = 'none' | 'norm' | 'value' | 'adaptive'

export type OptionValue = boolean | number | string | readonly number[]
export type Options = Readonly<Record<string, OptionValue | undefined>>
export type NamedHandles = [string, TensorHandle][]
export type TypedArray =
  Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array | Uint8ClampedArray

export interface Preprocessing {
  readonly imageSize: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly interpolation: string
  readonly cropFraction: number
}

export interface ModuleInfo {
  readonly parameterCount: number
  /** those that record gradients: neither frozen nor the base of adapters */
  readonly trainableParameterCount: number
  /** Backbones only. */
  readonly numFeatures?: number
  readonly preprocessing?: Preprocessing
}

/** A backbone cut by depth, input first, the classifier left out; a part is a list of prefixes of tensor names. */
export interface Depth {
  /** the smallest repeated parts, as timm groups them: layer-wise learning-rate decay counts these */
  readonly layers: readonly (readonly string[])[]
  /** what freezing counts */
  readonly stages: readonly (readonly string[])[]
}

export interface BackboneEntry {
  readonly name: string
  readonly family: string
  readonly paper: string
  readonly channelsLast: boolean
  readonly preprocessing: Preprocessing
  /** Hugging Face repository of the published weights, "timm/resnet18.a1_in1k"; "" where none are known */
  readonly weights: string
  /** of those weights, an SPDX identifier */
  readonly license: string
  /** the name of the network that this is another name of; "" where this is its own */
  readonly aliasOf: string
}

/** What a batch of augmented images is made for. */
export interface PlanCall {
  readonly epoch: number
  /** Results for each image. */
  readonly views: number
  /** The number of the first of them, for the draws. */
  readonly firstView: number
  /** The images already are [views · N]: row i is view i / N of sample i % N. */
  readonly stacked: boolean
  /** Of the call; 1 beside a training step. */
  readonly threads: number
}

/** What an operation did to one image: `rotate`, `[['degrees', 12.5]]`. */
export interface Draw {
  readonly operation: string
  readonly values: readonly (readonly [name: string, value: number])[]
}

/** The addon's exports. `mode`: bit 0 = record gradients, bits 1–2 = autocast (1 bfloat16, 2 float16), bit 3 = on a graph's side stream. */
export interface Addon {
  tensorFrom(data: TypedArray, shape: readonly number[], dtype: string, device: string, grad: boolean): TensorHandle
  tensorData(t: TensorHandle): Exclude<TypedArray, Uint8ClampedArray>
  tensorItem(t: TensorHandle): number
  tensorInfo(t: TensorHandle): { shape: number[]; dtype: string; device: string }
  tensorRequiresGrad(t: TensorHandle): boolean
  tensorDispose(t: TensorHandle): void
  tensorGrad(t: TensorHandle): TensorHandle | null
  tensorDetach(t: TensorHandle): TensorHandle
  tensorTo(t: TensorHandle, dtype: string | null, device: string | null, mode: number): TensorHandle
  tensorBackward(t: TensorHandle, gradient: TensorHandle | null): void
  tensorCopy(target: TensorHandle, source: TensorHandle, mode: number): void
  tensorAddress(t: TensorHandle): number
  backward(t: TensorHandle, gradient: TensorHandle | null, mode: number): Promise<void>
  liveTensors(): number
  isTensor(value: unknown): boolean

  resolveOperator(name: string): number
  callOperator(handle: number, mode: number, positional: unknown[], keywords: object | null): unknown
  supconLoss(
    embeddings: TensorHandle,
    labels: TensorHandle,
    temperature: number,
    memory: TensorHandle | null,
    memoryLabels: TensorHandle | null,
    tile: number,
    mode: number,
  ): TensorHandle
  operatorSchema(name: string): string
  operatorNames(): string[]

  createBackbone(name: string, options: Options): Promise<ModuleHandle>
  createHead(kind: string, options: Options): Promise<ModuleHandle>
  createClassifier(
    backbone: ModuleHandle,
    head: ModuleHandle | null,
    logitScale: number,
    mean: readonly number[],
    std: readonly number[],
  ): Promise<ModuleHandle>
  moduleForward(m: ModuleHandle, input: TensorHandle, mode: number): Promise<TensorHandle>
  moduleForwardMixed(
    m: ModuleHandle,
    images: TensorHandle,
    mode: number,
    mix: { part: number; lambda: number; partners: TensorHandle | null; own: TensorHandle | null },
  ): Promise<{ output: TensorHandle; parts: number[][] }>
  moduleForwardFeatures(m: ModuleHandle, input: TensorHandle, mode: number): Promise<TensorHandle>
  modulePool(m: ModuleHandle, input: TensorHandle, mode: number): Promise<TensorHandle>
  moduleClassify(
    m: ModuleHandle,
    input: TensorHandle,
    mode: number,
  ): Promise<[TensorHandle, TensorHandle, TensorHandle]>
  moduleTrain(m: ModuleHandle, on: boolean): Promise<void>
  moduleBeginStatistics(m: ModuleHandle, live: ModuleHandle): Promise<number>
  moduleEndStatistics(m: ModuleHandle, live: ModuleHandle): Promise<void>
  moduleNamedParameters(m: ModuleHandle): NamedHandles
  moduleNamedBuffers(m: ModuleHandle): NamedHandles
  moduleLoadState(m: ModuleHandle, state: NamedHandles): Promise<void>
  moduleSetRequiresGrad(m: ModuleHandle, flag: boolean, prefix: string): void
  moduleTo(m: ModuleHandle, device: string): Promise<void>
  moduleInfo(m: ModuleHandle): ModuleInfo
  moduleDispose(m: ModuleHandle): void
  listBackbones(): BackboneEntry[]
  backboneCost(name: string): Promise<BackboneCost>

  moduleAttachAdapters(m: ModuleHandle, owner: string, options: Options, loraTargets: readonly string[]): Promise<void>
  moduleMergeAdapters(m: ModuleHandle): Promise<number>
  moduleUnmergeAdapters(m: ModuleHandle): Promise<void>
  moduleUnloadAdapters(m: ModuleHandle): Promise<void>
  moduleAdapterNames(m: ModuleHandle): string[]
  moduleFreeze(m: ModuleHandle, stages: number | null, patterns: readonly string[]): Promise<string[]>
  moduleSetTrainable(m: ModuleHandle, names: readonly string[], flag: boolean): Promise<void>
  moduleDepth(m: ModuleHandle): Depth

  createOptimizer(
    kind: string,
    groups: {
      parameters: NamedHandles
      learningRateScale: number
      weightDecay: number
      centralize: boolean
      adaptiveClip: boolean
      orthogonalize: boolean
    }[],
    options: Options,
    keepSlowWeights: boolean,
  ): OptimizerHandle
  optimizerStep(o: OptimizerHandle, learningRate: number): Promise<void>
  optimizerUpdate(
    o: OptimizerHandle,
    request: {
      learningRate: number
      gradientScale: number
      clip: ClipMode
      clipLimit: number
      average: AverageHandle | null
      averageDecay: number
    },
  ): Promise<[norm: number, applied: boolean]>
  optimizerAscend(
    o: OptimizerHandle,
    request: { rho: number; adaptive: boolean; eta: number; gradientScale: number },
  ): Promise<number>
  optimizerDescend(o: OptimizerHandle): Promise<void>
  optimizerPullSlowWeights(o: OptimizerHandle, alpha: number): Promise<void>
  createAverage(shadow: TensorHandle[], source: TensorHandle[]): AverageHandle
  averageUpdate(a: AverageHandle, decay: number): Promise<void>
  optimizerZeroGrad(o: OptimizerHandle): Promise<void>
  optimizerKeepGradients(o: OptimizerHandle, keep: boolean): Promise<void>
  optimizerClipGradNorm(o: OptimizerHandle, maxNorm: number): Promise<number>
  optimizerState(o: OptimizerHandle): Promise<NamedHandles>
  optimizerLoadState(o: OptimizerHandle, state: NamedHandles): Promise<void>
  emaUpdate(shadow: TensorHandle[], source: TensorHandle[], decay: number): Promise<void>

  createGraph(device: string): GraphHandle
  graphEnter(g: GraphHandle): Promise<void>
  graphLeave(g: GraphHandle): Promise<void>
  graphBegin(g: GraphHandle, sharing: GraphHandle | null): Promise<void>
  graphEnd(g: GraphHandle): Promise<void>
  graphAbandon(g: GraphHandle): Promise<void>
  graphReplay(g: GraphHandle): Promise<void>
  graphReset(g: GraphHandle): Promise<void>

  createPlan(
    operations: readonly { name: string; options: Options }[],
    mean: readonly number[],
    std: readonly number[],
    seed: number,
    firstOperation: number,
  ): PlanHandle
  planApply(p: PlanHandle, images: TensorHandle, ids: TensorHandle, call: PlanCall): Promise<TensorHandle>
  planApplyToPixels(p: PlanHandle, images: TensorHandle, ids: TensorHandle, call: PlanCall): Promise<TensorHandle>
  planDraws(p: PlanHandle, images: TensorHandle, ids: TensorHandle, call: PlanCall): Promise<Draw[][]>
  augmentOperations(): string[]
  resizeImage(
    pixels: Uint8Array,
    height: number,
    width: number,
    outHeight: number,
    outWidth: number,
    interpolation: string,
  ): Promise<Uint8Array>
  resizeAndCenterCrop(
    pixels: Uint8Array,
    height: number,
    width: number,
    resizeTo: number,
    cropTo: number,
    interpolation: string,
  ): Promise<Uint8Array>

  jpegLibrary(): string
  decodeBatch(
    pictures: readonly (string | readonly [path: string, offset: number, length: number] | Uint8Array)[],
    resizeTo: number,
    cropTo: number,
    maxPixels: number,
    threads: number,
    interpolation: string,
    room?: Uint8Array,
  ): Promise<{ pixels: Uint8Array; done: Uint8Array; sizes: Int32Array }>
  hashPictures(
    pictures: readonly (string | readonly [path: string, offset: number, length: number] | Uint8Array)[],
    threads: number,
  ): Promise<Uint8Array>
  hashRecords(bytes: Uint8Array, recordBytes: number): Promise<Uint8Array>
  packOpen(path: string): Promise<{ handle: PackHandle; count: number; side: number; text: string }>
  packRead(
    pack: PackHandle,
    indices: Int32Array,
    resizeTo: number,
    cropTo: number,
    room?: Uint8Array,
  ): Promise<{ pixels: Uint8Array; damaged: number[] }>
  packClose(pack: PackHandle): void

  readSafetensors(path: string): Promise<{ tensors: NamedHandles; metadata: Record<string, string> }>
  readTensors(
    path: string,
    storages: readonly (readonly [offset: number, bytes: number])[],
    tensors: readonly StoredTensor[],
  ): Promise<NamedHandles>
  writeSafetensors(path: string, tensors: NamedHandles, metadata: Record<string, string>): Promise<void>
  traceModule(m: ModuleHandle, example: TensorHandle): Promise<{ json: string; parameters: NamedHandles }>
  saveTorchScript(m: ModuleHandle, example: TensorHandle, path: string, extra: Record<string, string>): Promise<void>

  tryLock(path: string): LockHandle | null
  unlock(lock: LockHandle): void
  manualSeed(seed: number): void
  setThreads(count: number): Promise<void>
  getThreads(): number
  versions(): Versions
  deviceMemory(device: string): DeviceMemory | null
  exitNow(code: number): never
  /** Ends the native threads; called as the process exits. */
  halt(): void
}

const kinds: Record<string, new (...args: ConstructorParameters<typeof TriviumError>) => TriviumError> = {
  config: ConfigError,
  shape: ShapeError,
  dataset: DatasetError,
  snapshot: SnapshotError,
  'non-finite': NonFiniteError,
  binding: BindingError,
}

/** A native error as the class its `kind` names; the new error carries the JavaScript stack of the call. */
export function translate(thrown: unknown): unknown {
  const kind = (thrown as { kind?: unknown } | null)?.kind
  const ErrorClass = typeof kind === 'string' ? kinds[kind] : undefined
  if (ErrorClass === undefined || !(thrown instanceof Error)) return thrown
  return new ErrorClass(thrown.message, { cause: thrown, reason: reasonOf(thrown.message) })
}

/** Where the addon is looked for: TRIVIUM_ADDON, else the build folder beside package.json. */
export function addonPath(): string {
  return process.env['TRIVIUM_ADDON'] ?? fileURLToPath(new URL('../../build/Release/trivium.node', import.meta.url))
}

function load(): Addon {
  const path = addonPath()
  if (!existsSync(path)) {
    throw new BindingError(
      `the native addon is not built: expected ${path}. Possible solutions:\n` +
        `  1. npm run build:native          (needs g++ >= 12 and cmake)\n` +
        `  2. LIBTORCH=/path/to/libtorch npm run build:native\n` +
        `  3. run-pipeline doctor           (says what is missing)`,
    )
  }
  // Idle OpenMP threads sleep instead of spinning: the engine's pool and the caller's share the same cores.
  process.env['OMP_WAIT_POLICY'] ??= 'PASSIVE'
  try {
    const module = { exports: {} }
    process.dlopen(module, path)
    const exported = module.exports as Addon
    process.once('exit', () => exported.halt())
    return exported
  } catch (cause) {
    throw new BindingError(
      `the native addon ${path} could not be loaded: ${(cause as Error).message}. Possible solutions:\n` +
        `  1. npm run build:native          (LibTorch or Node changed since it was built)\n` +
        `  2. run-pipeline doctor           (says which LibTorch is found)`,
      { cause },
    )
  }
}

let loaded: Addon | null = null

/** Loads the addon and wraps its functions, once. */
function addon(): Addon {
  loaded ??= Object.fromEntries(
    Object.entries(load())
      .filter(([, value]) => typeof value === 'function')
      .map(([name, value]) => {
        const call = value as (...args: unknown[]) => unknown
        const wrapped = (...args: unknown[]): unknown => {
          let result: unknown
          try {
            result = call(...args)
          } catch (thrown) {
            throw translate(thrown)
          }
          return result instanceof Promise ? settled(result) : result
        }
        return [name, wrapped]
      }),
  ) as unknown as Addon
  return loaded
}

/**
 * The addon; every function throws (or rejects with) one of the six error classes. It is loaded at the first use, not at import:
 * LibTorch takes a second to start, and help, --plan and configuration errors need none of it.
 */
export const native: Addon = new Proxy({} as Addon, { get: (_, name) => Reflect.get(addon(), name) as unknown })

async function settled(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (thrown) {
    throw translate(thrown)
  }
}
