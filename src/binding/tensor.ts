/** A LibTorch tensor with an explicit lifetime. */
import { BindingError } from '../util/errors.ts'
import { context, refuseInCapture } from './context.ts'
import { native } from './native.ts'
import type { TensorHandle, TypedArray } from './native.ts'

export type DType =
  'float32' | 'float64' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'bool'

const dtypes: ReadonlySet<string> = new Set<DType>([
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
])

/**
 * Freed by `dispose()`, by `using`, by the end of its `torch.scope`, or at last by the garbage collector, whichever is first.
 * A disposed tensor refuses every use with a BindingError.
 */
export class Tensor {
  /** For src/binding alone. */
  readonly handle: TensorHandle
  #info: { shape: number[]; dtype: string; device: string } | null = null
  #disposed = false

  constructor(handle: TensorHandle) {
    this.handle = handle
    context().scope?.add(this)
  }

  #described(): { shape: number[]; dtype: string; device: string } {
    return (this.#info ??= native.tensorInfo(this.handle))
  }

  get shape(): readonly number[] {
    return this.#described().shape
  }
  get dtype(): DType {
    return this.#described().dtype as DType
  }
  /** "cpu" or "cuda:N". */
  get device(): string {
    return this.#described().device
  }
  get requiresGrad(): boolean {
    return native.tensorRequiresGrad(this.handle)
  }
  get disposed(): boolean {
    return this.#disposed
  }

  /** A contiguous copy on the CPU. float16 and bfloat16 arrive as Float32Array, bool as Uint8Array, int64 as BigInt64Array. */
  data(): Exclude<TypedArray, Uint8ClampedArray> {
    refuseRead()
    return native.tensorData(this.handle)
  }

  /** data() as plain numbers, flat. */
  toArray(): number[] {
    return Array.from(this.data() as Iterable<number | bigint>, Number)
  }

  /**
   * The value of a one-element tensor.
   *
   * @throws {ShapeError} for any other
   * @throws {BindingError} for an int64 that a JavaScript number does not hold: data() gives it as a bigint
   */
  item(): number {
    refuseRead()
    const value = native.tensorItem(this.handle)
    if (this.dtype === 'int64' && !Number.isSafeInteger(value))
      throw new BindingError(`item: expected an integer of at most 2^53 - 1 but got one near ${value}. Use data()[0].`)
    return value
  }

  /** Accumulates gradients into the leaves, on the calling thread. In training use `await torch.backward(loss)`. */
  backward(gradient?: Tensor): void {
    refuseInCapture('backward ran on the calling thread', 'Use torch.backward.')
    native.tensorBackward(this.handle, gradient?.handle ?? null)
  }

  /** The accumulated gradient of a leaf, or null before any backward. */
  get grad(): Tensor | null {
    const grad = native.tensorGrad(this.handle)
    return grad && new Tensor(grad)
  }

  /** The same values without history. */
  detach(): Tensor {
    return new Tensor(native.tensorDetach(this.handle))
  }

  /** As another element type ("float32") or on another device ("cpu", "cuda:0"). */
  to(target: DType | (string & {})): Tensor {
    const isDtype = dtypes.has(target)
    if (!isDtype && target !== this.device)
      refuseInCapture(`a tensor was moved from ${this.device} to ${target}`, 'Move it before, in the task’s draw.')
    return new Tensor(native.tensorTo(this.handle, isDtype ? target : null, isDtype ? null : target, context().mode))
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    context().scope?.delete(this)
    native.tensorDispose(this.handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Writes the values of `source` into this tensor's memory, which its views share; no gradient flows. The two may differ in type and device. */
  copyFrom(source: Tensor): void {
    native.tensorCopy(this.handle, source.handle, context().mode)
  }

  /** Where its memory begins: two tensors of one address share it. */
  get address(): number {
    return native.tensorAddress(this.handle)
  }

  toString(): string {
    return this.#disposed ? 'Tensor(disposed)' : `Tensor(${this.dtype}[${this.shape.join(', ')}], ${this.device})`
  }
}

function refuseRead(): void {
  refuseInCapture('a value was read', 'A task gives tensors as its parts and count, which are read after the pass.')
}

export function toHandles(tensors: ReadonlyMap<string, Tensor>): [string, TensorHandle][] {
  return Array.from(tensors, ([name, tensor]) => [name, tensor.handle])
}

export function fromHandles(handles: readonly [string, TensorHandle][]): Map<string, Tensor> {
  return new Map(handles.map(([name, handle]) => [name, new Tensor(handle)]))
}
