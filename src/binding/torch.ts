/** The `torch` object: making tensors, lifetimes, modes, seeds, operators. */
import { BindingError, ConfigError, ShapeError } from '../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../util/option-names.ts'
import { context, refuseInCapture, withAutocast, withScope, withoutGrad } from './context.ts'
import { native } from './native.ts'
import type { DeviceMemory, TypedArray, Versions } from './native.ts'
import { call, operatorNames, schemaOf } from './operators.ts'
import type { Argument, Keywords } from './operators.ts'
import { ops } from './operators.generated.ts'
import type { Ops } from './operators.generated.ts'
import { Tensor } from './tensor.ts'
import type { DType } from './tensor.ts'

export interface TensorOptions {
  /** Default: one dimension as long as the data; [] for a single number. */
  readonly shape?: readonly number[]
  /** Default: the typed array's own; float32 for plain numbers. */
  readonly dtype?: DType
  readonly requiresGrad?: boolean
  /** Default "cpu". */
  readonly device?: string
}

export type FillOptions = Pick<TensorOptions, 'dtype' | 'device'>

export interface Torch {
  tensor(data: TypedArray | readonly number[] | number, options?: TensorOptions): Tensor
  zeros(shape: readonly number[], options?: FillOptions): Tensor
  ones(shape: readonly number[], options?: FillOptions): Tensor
  /** Frees every tensor made inside `fn` (synchronous or not) but those reachable from its result. */
  scope<T>(fn: () => T): T
  /** Takes a tensor out of the current scope: its holder disposes it. */
  keep(tensor: Tensor): Tensor
  noGrad<T>(fn: () => T): T
  /** Matrix products and convolutions inside run in `dtype`; null turns it off. */
  autocast<T>(dtype: 'bfloat16' | 'float16' | null, fn: () => T): T
  manualSeed(seed: number): void
  setNumThreads(count: number): void
  getNumThreads(): number
  /** How many tensors JavaScript holds now. */
  liveTensors(): number
  call(name: string, ...args: readonly (Argument | Keywords)[]): unknown
  readonly ops: Ops
  schemaOf(name: string): string
  operatorNames(): string[]
  /** Accumulates gradients into the leaves, on the engine thread; the event loop stays free. */
  backward(loss: Tensor, gradient?: Tensor): Promise<void>
  cudaIsAvailable(): boolean
  versions(): Versions
  /** Null for the CPU, whose memory is the process's. @throws {ConfigError} for a device that is not there */
  deviceMemory(device: string): DeviceMemory | null
}

const elementTypes: readonly [abstract new (...args: never[]) => TypedArray, DType][] = [
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [BigInt64Array, 'int64'],
  [Int32Array, 'int32'],
  [Int16Array, 'int16'],
  [Int8Array, 'int8'],
  [Uint8Array, 'uint8'],
  [Uint8ClampedArray, 'uint8'],
]

function flatten(data: readonly unknown[], into: number[]): void {
  for (const item of data) {
    if (typeof item !== 'number') {
      throw new ShapeError(
        `torch.tensor: expected a flat list of numbers but got ${JSON.stringify(item)}; give the shape apart`,
      )
    }
    into.push(item)
  }
}

/** Smallest and largest value of the integer types. */
const integerRange: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int8: [-128, 127],
  uint8: [0, 255],
}

const tensorOptions: OptionNames<TensorOptions> = { shape: true, dtype: true, requiresGrad: true, device: true }
const fillOptions: OptionNames<FillOptions> = { dtype: true, device: true }

function tensor(data: TypedArray | readonly number[] | number, options: TensorOptions = {}): Tensor {
  checkOptionNames('torch.tensor', options, tensorOptions)
  const { requiresGrad = false, device = 'cpu' } = options
  refuseInCapture('values of the host were made a tensor', 'Make it before, in the task’s draw.')
  if (ArrayBuffer.isView(data)) {
    const own = elementTypes.find(([type]) => data instanceof type)?.[1]
    if (own === undefined)
      throw new BindingError(
        `torch.tensor: expected a typed array of numbers but got ${(data as object).constructor.name}`,
      )
    const shape = options.shape ?? [data.length]
    // The addon reads the memory of one thread only.
    const values = data.buffer instanceof SharedArrayBuffer ? data.slice() : data
    return new Tensor(native.tensorFrom(values, shape, options.dtype ?? own, device, requiresGrad))
  }
  if (typeof data !== 'number' && !Array.isArray(data))
    throw new BindingError(
      `torch.tensor: expected a number, a list of numbers or a typed array but got ${String(data)}`,
    )
  const values: number[] = []
  flatten(typeof data === 'number' ? [data] : data, values)
  const shape = options.shape ?? (typeof data === 'number' ? [] : [values.length])
  const dtype = options.dtype ?? 'float32'
  const range = integerRange[dtype]
  const misfit = range && values.find((value) => !Number.isInteger(value) || value < range[0] || value > range[1])
  if (range !== undefined && misfit !== undefined)
    throw new BindingError(
      `torch.tensor: expected whole numbers from ${range[0]} to ${range[1]} for ${dtype} but got ${misfit}`,
    )
  const source = dtype === 'int64' ? BigInt64Array.from(values, BigInt) : Float64Array.from(values)
  return new Tensor(native.tensorFrom(source, shape, dtype, device, requiresGrad))
}

function filled(name: string, shape: readonly number[], options: FillOptions = {}): Tensor {
  checkOptionNames(name.replace('aten::', 'torch.'), options, fillOptions)
  const { dtype = 'float32', device = 'cpu' } = options
  return call(name, shape, { dtype, device }) as Tensor
}

export const torch: Torch = {
  tensor,
  zeros: (shape, options) => filled('aten::zeros', shape, options),
  ones: (shape, options) => filled('aten::ones', shape, options),
  scope: withScope,
  keep(kept) {
    context().scope?.delete(kept)
    return kept
  },
  noGrad: withoutGrad,
  autocast: withAutocast,
  manualSeed(seed) {
    refuseInCapture('the generator was seeded', 'It is seeded before each pass.')
    if (!Number.isSafeInteger(seed)) throw new ConfigError(`seed: expected a whole number but got ${seed}`)
    native.manualSeed(seed)
  },
  setNumThreads(count) {
    if (!Number.isSafeInteger(count) || count < 1 || count > 4096)
      throw new ConfigError(`torch.setNumThreads: expected a whole number from 1 to 4096 but got ${String(count)}`)
    // The engine changes over between two jobs; nothing can fail there once the count was accepted here.
    void native.setThreads(count)
  },
  getNumThreads: () => native.getThreads(),
  liveTensors: () => native.liveTensors(),
  call,
  ops,
  schemaOf,
  operatorNames,
  async backward(loss, gradient) {
    if (!(loss instanceof Tensor)) throw new BindingError(`torch.backward: expected a Tensor but got ${String(loss)}`)
    await native.backward(loss.handle, gradient?.handle ?? null, context().mode)
  },
  cudaIsAvailable: () => native.versions().cudaDevices > 0,
  deviceMemory: (device) => native.deviceMemory(device),
  versions: () => native.versions(),
}
