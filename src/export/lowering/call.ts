/** One traced operation as a lowering sees it: arguments by name, ONNX names for tensors, types, and where results go. */

import { SnapshotError } from '../../util/errors.ts'
import type { Argument, SymbolicShape, TracedNode, ValueType } from '../graph.ts'
import type { OnnxDType } from '../onnx-model.ts'

/** What the walk knows about values; numbers are the graph's. */
export interface Values {
  /** ONNX name of a tensor value. */
  name(value: number): string
  /** A traced integer that is known at export: a size, or a multiple of the batch (negative). */
  readonly sizes: Map<number, number>
  readonly types: Readonly<Record<string, ValueType>>
  bind(value: number, name: string): void
}

export class Call {
  readonly op: string
  readonly overload: string
  readonly #node: TracedNode
  readonly #values: Values
  readonly #arguments: ReadonlyMap<string, Argument>

  constructor(node: TracedNode, values: Values) {
    this.op = node.op
    this.overload = node.overload
    this.#node = node
    this.#values = values
    this.#arguments = new Map(node.inputs.map((input) => [input.name, input]))
  }

  /** Throws: this case of the operation has no lowering. */
  unsupported(reason: string): never {
    throw new SnapshotError(
      `export: ${this.op}: ${reason} cannot be written as ONNX. Add the case in src/export/lowering, or change the model.`,
    )
  }

  #argument(name: string): Argument {
    const found = this.#arguments.get(name)
    if (found === undefined) this.unsupported(`an overload "${this.overload}" without the argument "${name}"`)
    return found
  }

  has(name: string): boolean {
    const found = this.#arguments.get(name)
    return found !== undefined && !('type' in found && found.type === 'none')
  }

  isTensor(name: string): boolean {
    const found = this.#arguments.get(name)
    return found !== undefined && 'value' in found && !this.#values.sizes.has(found.value)
  }

  /** ONNX name of a tensor argument. */
  tensor(name: string): string {
    const found = this.#argument(name)
    if (!('value' in found)) this.unsupported(`"${name}" that is not a tensor`)
    return this.#values.name(found.value)
  }

  /** The names and types of a tensor list. */
  tensors(name: string): { name: string; type: ValueType }[] {
    const found = this.#argument(name)
    if (!('list' in found)) this.unsupported(`"${name}" that is not a list of tensors`)
    return found.list.map((item) => {
      if (!('value' in item)) this.unsupported(`"${name}" that holds something else than tensors`)
      return { name: this.#values.name(item.value), type: this.#typeOf(item.value, name) }
    })
  }

  type(name: string): ValueType {
    const found = this.#argument(name)
    if (!('value' in found)) this.unsupported(`"${name}" that is not a tensor`)
    return this.#typeOf(found.value, name)
  }

  #typeOf(value: number, what: string): ValueType {
    const type = this.#values.types[value]
    if (type === undefined) this.unsupported(`"${what}", whose shape the trace does not know,`)
    return type
  }

  /** A sized integer: an int, or −k for k times the batch. */
  #size(argument: Argument, name: string): number {
    if ('value' in argument) {
      const size = this.#values.sizes.get(argument.value)
      if (size !== undefined) return size
    } else if ('type' in argument) {
      if (argument.type === 'int') return argument.constant
      if (argument.type === 'batch') return -argument.constant
    }
    return this.unsupported(`"${name}" that is not a known integer`)
  }

  int(name: string): number {
    const found = this.#argument(name)
    if ('type' in found && found.type === 'batch') this.unsupported(`"${name}" that depends on the batch`)
    return this.#size(found, name)
  }

  intOr(name: string, fallback: number): number {
    return this.has(name) ? this.int(name) : fallback
  }

  ints(name: string): number[] {
    const found = this.#argument(name)
    if (!('list' in found)) return [this.int(name)]
    return found.list.map((item) => {
      if ('type' in item && item.type === 'batch') this.unsupported(`"${name}" that depends on the batch`)
      return this.#size(item, name)
    })
  }

  number(name: string): number {
    const found = this.#argument(name)
    if ('type' in found && (found.type === 'int' || found.type === 'float')) return Number(found.constant)
    if ('type' in found && found.type === 'bool') return Number(found.constant)
    return this.unsupported(`"${name}" that is not a number`)
  }

  numberOr(name: string, fallback: number): number {
    return this.has(name) ? this.number(name) : fallback
  }

  bool(name: string): boolean {
    const found = this.#argument(name)
    if ('type' in found && found.type === 'bool') return found.constant
    return this.unsupported(`"${name}" that is not true or false`)
  }

  string(name: string): string | null {
    const found = this.#arguments.get(name)
    return found !== undefined && 'type' in found && found.type === 'string' ? found.constant : null
  }

  /** The argument's axis counted from the front. */
  axis(name: string, rank: number): number {
    const axis = this.int(name)
    return axis < 0 ? axis + rank : axis
  }

  axes(name: string, rank: number): number[] {
    return this.ints(name).map((axis) => (axis < 0 ? axis + rank : axis))
  }

  get outputs(): readonly number[] {
    return this.#node.outputs
  }

  outputType(index = 0): ValueType {
    return this.#typeOf(this.#output(index), `result ${index}`)
  }

  get outputShape(): SymbolicShape {
    return this.outputType().shape
  }

  get outputDType(): OnnxDType {
    return this.outputType().dtype
  }

  #output(index: number): number {
    const output = this.#node.outputs[index]
    if (output === undefined) this.unsupported(`result ${index}, which the trace lacks,`)
    return output
  }

  /** Result `index` is the ONNX value `name`. */
  result(name: string, index = 0): void {
    this.#values.bind(this.#output(index), name)
  }

  /** The result is an integer known at export, no tensor. */
  sizeResult(size: number): void {
    this.#values.sizes.set(this.#output(0), size)
  }

  /** An integer argument that was itself a traced size. */
  size(name: string): number {
    return this.#size(this.#argument(name), name)
  }
}
