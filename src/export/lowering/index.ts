/** Traced graph → ONNX model. */

import type { Tensor } from '../../binding/index.ts'
import { SnapshotError } from '../../util/errors.ts'
import type { SymbolicShape, TracedGraph, TracedNode, ValueType } from '../graph.ts'
import type { Initializer, OnnxModel, OnnxValue } from '../onnx-model.ts'
import { GraphBuilder, encode } from './builder.ts'
import { Call } from './call.ts'
import type { Values } from './call.ts'
import { lowerings } from './table.ts'
import type { Lowering } from './lowering.ts'

/** What the model calls its input and outputs, in the order of the trace. */
export interface ModelNames {
  readonly model: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

/**
 * @param parameters the tensors that came with the graph; only those in use become initializers
 * @throws {SnapshotError} naming the first operation without a lowering and where to add it
 */
export function lowerToOnnx(
  graph: TracedGraph,
  parameters: ReadonlyMap<string, Tensor>,
  names: ModelNames,
  about: { producerVersion: string; metadata: Readonly<Record<string, string>> },
): OnnxModel {
  if (graph.inputs.length !== names.inputs.length || graph.outputs.length !== names.outputs.length) {
    throw new SnapshotError(
      `export: expected a trace with ${names.inputs.length} inputs and ${names.outputs.length} outputs ` +
        `(${names.outputs.join(', ')}), but got ${graph.inputs.length} and ${graph.outputs.length}`,
    )
  }
  const builder = new GraphBuilder(names.inputs[0] as string)
  const values = new GraphValues(graph, parameters, builder)
  graph.inputs.forEach((value, i) => values.bind(value, names.inputs[i] as string))
  for (const node of graph.nodes) lowerNode(node, values, builder)
  graph.outputs.forEach((value, i) => {
    const output = names.outputs[i] as string
    builder.nodes.push({
      name: output,
      opType: 'Identity',
      inputs: [values.name(value)],
      outputs: [output],
      attributes: {},
    })
  })
  const describe = (value: number, name: string): OnnxValue => onnxValue(name, graph.types[value])
  return {
    name: names.model,
    nodes: builder.nodes,
    initializers: builder.initializers,
    inputs: graph.inputs.map((value, i) => describe(value, names.inputs[i] as string)),
    outputs: graph.outputs.map((value, i) => describe(value, names.outputs[i] as string)),
    ...about,
  }
}

function lowerNode(node: TracedNode, values: Values, builder: GraphBuilder): void {
  const lowering = find(node.op)
  if (lowering === undefined) {
    throw new SnapshotError(
      `export: ${node.op}${node.overload && `.${node.overload}`} has no ONNX lowering yet. ` +
        'Add one to the table in src/export/lowering/table.ts, or export with export.formats: [torchscript].',
    )
  }
  lowering(new Call(node, values), builder)
}

/** The tracer gives every in-place operation a result of its own, so that relu_ is relu. */
function find(op: string): Lowering | undefined {
  if (Object.hasOwn(lowerings, op)) return lowerings[op]
  const plain = op.replace(/(?<!_)_$/, '')
  return Object.hasOwn(lowerings, plain) ? lowerings[plain] : undefined
}

class GraphValues implements Values {
  readonly sizes: Map<number, number> = new Map()
  readonly types: Readonly<Record<string, ValueType>>
  readonly #names = new Map<number, string>()
  readonly #graph: TracedGraph
  readonly #parameters: ReadonlyMap<string, Tensor>
  readonly #builder: GraphBuilder
  readonly #written = new Set<string>()

  constructor(graph: TracedGraph, parameters: ReadonlyMap<string, Tensor>, builder: GraphBuilder) {
    this.types = graph.types
    this.#graph = graph
    this.#parameters = parameters
    this.#builder = builder
  }

  bind(value: number, name: string): void {
    this.#names.set(value, name)
  }

  name(value: number): string {
    const known = this.#names.get(value)
    if (known !== undefined) return known
    const parameter = this.#graph.parameters[value]
    const tensor = parameter === undefined ? undefined : this.#parameters.get(parameter)
    if (parameter === undefined || tensor === undefined) {
      throw new SnapshotError(`export: the trace uses value ${value} before it is computed; the graph is damaged`)
    }
    if (!this.#written.has(parameter)) {
      this.#written.add(parameter)
      this.#builder.initializer(initializerOf(parameter, tensor))
    }
    this.bind(value, parameter)
    return parameter
  }
}

function initializerOf(name: string, tensor: Tensor): Initializer {
  encode([], tensor.dtype) // refuses the half-precision types, which data() widens
  const data = tensor.data()
  return {
    name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }
}

function onnxValue(name: string, type: ValueType | undefined): OnnxValue {
  if (type === undefined) throw new SnapshotError(`export: the shape of ${name} is not known from the trace`)
  return { name, dtype: type.dtype, shape: sizeNames(type.shape) }
}

function sizeNames(shape: SymbolicShape): (number | string)[] {
  return shape.map((size) => (size >= 0 ? size : size === -1 ? 'batch' : `${-size}*batch`))
}
