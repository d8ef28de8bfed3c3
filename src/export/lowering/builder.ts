/** Collects ONNX nodes and initializers while a traced graph is walked. */

import { SnapshotError } from '../../util/errors.ts'
import type { SymbolicShape, ValueType } from '../graph.ts'
import { int, onnxTypes } from '../onnx-model.ts'
import type { Attribute, Initializer, OnnxDType, OnnxNode } from '../onnx-model.ts'

const INT64_MAX = 2n ** 63n - 1n

export class GraphBuilder {
  readonly nodes: OnnxNode[] = []
  readonly initializers: Initializer[] = []
  readonly #constants = new Map<string, string>()
  readonly #image: string
  #count = 0
  #batch: string | null = null

  /** @param image the graph's input; its first size is the batch */
  constructor(image: string) {
    this.#image = image
  }

  /** Adds a node with one output and returns that output's name. */
  add(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.addMany(opType, inputs, 1, attributes)[0] as string
  }

  addMany(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string[] {
    const name = `${opType}_${this.#count++}`
    const names = Array.from({ length: outputs }, (_, i) => (outputs === 1 ? name : `${name}_${i}`))
    this.nodes.push({ name, opType, inputs, outputs: names, attributes })
    return names
  }

  initializer(initializer: Initializer): string {
    this.initializers.push(initializer)
    return initializer.name
  }

  /** A constant list of int64; equal ones are shared. */
  ints(values: readonly number[]): string {
    const data = new BigInt64Array(values.map(toInt64))
    return this.#constant(`int64:[${values.join()}]`, 'int64', [values.length], data)
  }

  /** A constant of the given type and of shape []; equal ones are shared. */
  scalar(value: number, dtype: OnnxDType): string {
    return this.#constant(`${dtype}:${Object.is(value, -0) ? '-0' : value}`, dtype, [], encode([value], dtype))
  }

  /** A constant list filled with one number. */
  filled(value: number, length: number, dtype: OnnxDType): string {
    const data = encode(Array<number>(length).fill(value), dtype)
    return this.#constant(`${dtype}:${value}x${length}`, dtype, [length], data)
  }

  #constant(key: string, dtype: OnnxDType, shape: readonly number[], data: ArrayBufferView): string {
    let name = this.#constants.get(key)
    if (name === undefined) {
      name = `const_${this.#constants.size}`
      this.#constants.set(key, name)
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      this.initializer({ name, dtype, shape, data: bytes })
    }
    return name
  }

  cast(value: string, dtype: OnnxDType): string {
    return this.add('Cast', [value], { to: int(onnxTypes[dtype]) })
  }

  /** `value` as `to`, converted only where it is of another type. */
  castFrom(value: string, from: ValueType | undefined, to: OnnxDType): string {
    return from?.dtype === to ? value : this.cast(value, to)
  }

  /** int64 [1]: k times the batch of the running model. */
  batch(factor: number): string {
    this.#batch ??= this.add('Gather', [this.add('Shape', [this.#image]), this.ints([0])], { axis: int(0) })
    return factor === 1 ? this.#batch : this.add('Mul', [this.#batch, this.ints([factor])])
  }

  /** int64 [n]: a shape whose negative entries are multiples of the batch. */
  shape(shape: SymbolicShape): string {
    if (shape.every((size) => size >= 0)) return this.ints(shape)
    return this.add(
      'Concat',
      shape.map((size) => (size < 0 ? this.batch(-size) : this.ints([size]))),
      { axis: int(0) },
    )
  }

  reshape(value: string, shape: SymbolicShape): string {
    // One unknown size is what −1 means; only a second one needs a computation.
    const symbolic = shape.filter((size) => size < 0).length
    if (symbolic === 1 && !shape.includes(0)) {
      return this.add('Reshape', [value, this.ints(shape.map((size) => (size < 0 ? -1 : size)))])
    }
    return this.add('Reshape', [value, this.shape(shape)], { allowzero: int(1) })
  }
}

function toInt64(value: number): bigint {
  // ATen writes "to the end" as the largest int64, which a double rounds up to 2^63.
  const exact = BigInt(value)
  return exact > INT64_MAX ? INT64_MAX : exact
}

/** Numbers in the memory layout of an ONNX tensor. */
export function encode(values: readonly number[], dtype: OnnxDType): ArrayBufferView {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values)
    case 'float64':
      return Float64Array.from(values)
    case 'int64':
      return BigInt64Array.from(values, toInt64)
    case 'int32':
      return Int32Array.from(values)
    case 'int16':
      return Int16Array.from(values)
    case 'int8':
      return Int8Array.from(values)
    case 'uint8':
    case 'bool':
      return Uint8Array.from(values)
    default:
      throw new SnapshotError(
        `export: the model computes in ${dtype}, ONNX files are written in float32. Export the float32 weights.`,
      )
  }
}
