/** Operations that move elements without computing: views, joins, cuts, casts. */

import { int, ints } from '../onnx-model.ts'
import type { GraphBuilder } from './builder.ts'
import type { Call } from './call.ts'
import type { Lowering } from './lowering.ts'

/** The value itself: contiguous, detach, dropout in evaluation … */
export function identity(call: Call): void {
  call.result(call.tensor('self'))
}

export function dropout(call: Call): void {
  if (call.bool('train')) call.unsupported('dropout in training mode')
  call.result(call.tensor('input'))
}

/** Any of PyTorch's conversions; the result's type says what became of it. */
export function convert(call: Call, b: GraphBuilder): void {
  call.result(b.castFrom(call.tensor('self'), call.type('self'), call.outputDType))
}

/** reshape, view, flatten, unflatten, squeeze, unsqueeze: the trace knows the shape that comes out. */
export function reshape(call: Call, b: GraphBuilder): void {
  if (call.overload === 'dtype') call.unsupported('a view of the same bytes as another type')
  call.result(b.reshape(call.tensor('self'), call.outputShape))
}

function transposed(call: Call, b: GraphBuilder, order: readonly number[]): void {
  call.result(b.add('Transpose', [call.tensor('self')], { perm: ints(order) }))
}

export function permute(call: Call, b: GraphBuilder): void {
  transposed(call, b, call.axes('dims', call.type('self').shape.length))
}

export function transpose(call: Call, b: GraphBuilder): void {
  const rank = call.type('self').shape.length
  const order = Array.from({ length: rank }, (_, i) => i)
  const first = call.axis('dim0', rank)
  const second = call.axis('dim1', rank)
  order[first] = second
  order[second] = first
  transposed(call, b, order)
}

/** aten::t and .T: all axes in reverse. */
export function reverseAxes(call: Call, b: GraphBuilder): void {
  const rank = call.type('self').shape.length
  if (rank < 2) identity(call)
  else
    transposed(
      call,
      b,
      Array.from({ length: rank }, (_, i) => rank - 1 - i),
    )
}

export function expand(call: Call, b: GraphBuilder): void {
  const from = call.type('self').shape
  const to = call.outputShape
  // Expand keeps a size where 1 is asked for, so that sizes which agree already need no number, the batch above all.
  const asked = to.map((size, i) => (size === from[i - (to.length - from.length)] ? 1 : size))
  call.result(b.add('Expand', [call.tensor('self'), b.shape(asked)]))
}

/** A constant of another tensor's shape. */
export function filledLike(value: number): Lowering {
  return (call, b) => call.result(b.add('Expand', [b.scalar(value, call.outputDType), b.shape(call.outputShape)]))
}

export function concatenate(call: Call, b: GraphBuilder): void {
  const dtype = call.outputDType
  const parts = call.tensors('tensors').map(({ name, type }) => b.castFrom(name, type, dtype))
  call.result(b.add('Concat', parts, { axis: int(call.axis('dim', call.outputShape.length)) }))
}

export function stack(call: Call, b: GraphBuilder): void {
  const axis = call.axis('dim', call.outputShape.length)
  const dtype = call.outputDType
  const parts = call
    .tensors('tensors')
    .map(({ name, type }) => b.add('Unsqueeze', [b.castFrom(name, type, dtype), b.ints([axis])]))
  call.result(b.add('Concat', parts, { axis: int(axis) }))
}

/** self[…, index, …]; a negative index counts from the end in both worlds. */
export function select(call: Call, b: GraphBuilder): void {
  const axis = call.axis('dim', call.type('self').shape.length)
  call.result(b.add('Gather', [call.tensor('self'), b.scalar(call.int('index'), 'int64')], { axis: int(axis) }))
}

/** The rows `index` [K] of one axis. */
export function indexSelect(call: Call, b: GraphBuilder): void {
  const axis = call.axis('dim', call.type('self').shape.length)
  call.result(b.add('Gather', [call.tensor('self'), call.tensor('index')], { axis: int(axis) }))
}

export function slice(call: Call, b: GraphBuilder): void {
  const axis = call.axis('dim', call.type('self').shape.length)
  const limits = [call.intOr('start', 0), call.intOr('end', 2 ** 63), axis, call.intOr('step', 1)]
  call.result(b.add('Slice', [call.tensor('self'), ...limits.map((value) => b.ints([value]))]))
}

export function narrow(call: Call, b: GraphBuilder): void {
  const axis = call.axis('dim', call.type('self').shape.length)
  const start = call.int('start')
  const limits = [start, start + call.int('length'), axis]
  call.result(b.add('Slice', [call.tensor('self'), ...limits.map((value) => b.ints([value]))]))
}

/** split, chunk, split_with_sizes: the sizes are those of the traced results. */
export function split(call: Call, b: GraphBuilder): void {
  const rank = call.type('self').shape.length
  const axis = call.axis('dim', rank)
  const sizes = call.outputs.map((_, i) => call.outputType(i).shape[axis] as number)
  if (sizes.some((size) => size < 0)) call.unsupported('a split of the batch')
  const parts = b.addMany('Split', [call.tensor('self'), b.ints(sizes)], sizes.length, { axis: int(axis) })
  parts.forEach((part, i) => call.result(part, i))
}

export function unbind(call: Call, b: GraphBuilder): void {
  const axis = call.axis('dim', call.type('self').shape.length)
  call.outputs.forEach((_, i) =>
    call.result(b.add('Gather', [call.tensor('self'), b.scalar(i, 'int64')], { axis: int(axis) }), i),
  )
}

/** Pads are (before, after) from the last axis backwards in ATen; all befores, then all afters in ONNX. */
export function constantPad(call: Call, b: GraphBuilder): void {
  const mode = call.string('mode')
  if (mode !== null && mode !== 'constant') call.unsupported(`padding mode "${mode}"`)
  const { dtype, shape } = call.type('self')
  const before = shape.map(() => 0)
  const after = shape.map(() => 0)
  const pads = call.ints('pad')
  for (let i = 0; 2 * i < pads.length; i++) {
    before[shape.length - 1 - i] = pads[2 * i] as number
    after[shape.length - 1 - i] = pads[2 * i + 1] as number
  }
  const value = b.scalar(call.numberOr('value', 0), dtype)
  call.result(b.add('Pad', [call.tensor('self'), b.ints([...before, ...after]), value]))
}

/** A size read while tracing: known now, or a multiple of the batch. */
export function sizeOf(call: Call): void {
  const { shape } = call.type('self')
  const size = shape[call.axis('dim', shape.length)]
  if (size === undefined) call.unsupported('a size of an axis that does not exist')
  call.sizeResult(size)
}

/** prim::NumToTensor, aten::Int: the same number in another wrapping. */
export function sameSize(argument: string): (call: Call) => void {
  return (call) => call.sizeResult(call.size(argument))
}
