/** One ATen operation as a traced graph of its own, with its native result: what a lowering is compared against. */

import type { InferenceSession } from 'onnxruntime-node'
import { Tensor, torch } from '../../../src/binding/index.ts'
import type { Argument, TracedGraph, ValueType } from '../../../src/export/graph.ts'
import { lowerToOnnx } from '../../../src/export/lowering/index.ts'
import { serializeModel } from '../../../src/export/onnx-writer.ts'
import { loadOnnxRuntime, openSession } from '../../../src/util/onnxruntime.ts'

/** 2 is an int, `float(2)` is 2.0: a call cannot tell them apart otherwise. */
export interface Float {
  readonly float: number
}
export function float(value: number): Float {
  return { float: value }
}

export type Value = Tensor | number | boolean | string | null | Float | readonly number[] | readonly Tensor[]

/** [argument name, value] in the order of the operation's schema. */
export type Arguments = readonly (readonly [string, Value])[]

/** The graph of one call. The first tensor is the graph's input, the others are parameters; sizes are plain numbers. */
export function tracedCall(
  op: string,
  overload: string,
  args: Arguments,
  results: readonly ValueType[],
): { graph: TracedGraph; parameters: Map<string, Tensor>; input: Tensor } {
  const tensors: Tensor[] = []
  const types: Record<string, ValueType> = {}
  const encode = (value: Value): Argument => {
    if (value instanceof Tensor) {
      types[tensors.length] = { dtype: value.dtype, shape: value.shape }
      return { value: tensors.push(value) - 1 }
    }
    if (Array.isArray(value)) return { list: (value as readonly Value[]).map(encode) }
    if (value === null) return { type: 'none', constant: null }
    if (typeof value === 'boolean') return { type: 'bool', constant: value }
    if (typeof value === 'string') return { type: 'string', constant: value }
    if (typeof value === 'number') return { type: Number.isInteger(value) ? 'int' : 'float', constant: value }
    return { type: 'float', constant: (value as Float).float }
  }
  const inputs = args.map(([name, value]) => ({ name, ...encode(value) }))
  const outputs = results.map((type, i) => {
    types[tensors.length + i] = type
    return tensors.length + i
  })
  const names = tensors.map((_, i) => [String(i), `parameter.${i}`] as const).slice(1)
  return {
    graph: {
      inputs: [0],
      outputs,
      nodes: [{ op, overload, inputs, outputs }],
      parameters: Object.fromEntries(names),
      types,
    },
    parameters: new Map(names.map(([i, name]) => [name, tensors[Number(i)] as Tensor])),
    input: tensors[0] as Tensor,
  }
}

/** The native results of the call. */
export function nativeCall(op: string, overload: string, args: Arguments): Tensor[] {
  const plain = args.map(([, value]) =>
    typeof value === 'object' && value !== null && 'float' in value ? value.float : value,
  )
  const result = torch.call(overload === '' ? op : `${op}.${overload}`, ...plain)
  return Array.isArray(result) ? (result as Tensor[]) : [result as Tensor]
}

export function typeOf(tensor: Tensor): ValueType {
  return { dtype: tensor.dtype, shape: tensor.shape }
}

/** The lowered graph's results on `input`, as plain numbers with their shapes. */
export async function runLowered(
  graph: TracedGraph,
  parameters: ReadonlyMap<string, Tensor>,
  input: Tensor,
): Promise<{ shape: readonly number[]; values: number[] }[]> {
  const outputs = graph.outputs.map((_, i) => `output_${i}`)
  const model = lowerToOnnx(graph, parameters, { model: 'one_call', inputs: ['input'], outputs }, about)
  const runtime = await loadOnnxRuntime()
  const session: InferenceSession = await openSession(runtime, serializeModel(model), { label: 'one call', threads: 1 })
  try {
    const data = input.data() as Float32Array
    const type = input.dtype as 'float32'
    const results = await session.run({ input: new runtime.Tensor(type, data, [...input.shape]) })
    return outputs.map((name) => {
      const { dims, data: values } = results[name] as { dims: readonly number[]; data: unknown }
      return { shape: dims, values: Array.from(values as Iterable<number | bigint>, Number) }
    })
  } finally {
    await session.release()
  }
}

const about = { producerVersion: '0', metadata: {} }
