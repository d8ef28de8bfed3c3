/** Reductions over axes. */

import { int, ints } from '../onnx-model.ts'
import type { GraphBuilder } from './builder.ts'
import type { Call } from './call.ts'

function axesOf(call: Call): number[] {
  const rank = call.type('self').shape.length
  const axes = call.has('dim') ? call.axes('dim', rank) : []
  return axes.length > 0 ? axes : Array.from({ length: rank }, (_, i) => i)
}

function keepsDimensions(call: Call): number {
  return call.has('keepdim') ? Number(call.bool('keepdim')) : 0
}

/** Opset 17 takes the axes of every reduction but ReduceSum as an attribute. */
export function reduce(opType: 'ReduceMean' | 'ReduceMax' | 'ReduceMin'): (call: Call, b: GraphBuilder) => void {
  return (call, b) => {
    const input = b.castFrom(call.tensor('self'), call.type('self'), call.outputDType)
    call.result(b.add(opType, [input], { axes: ints(axesOf(call)), keepdims: int(keepsDimensions(call)) }))
  }
}

export function sum(call: Call, b: GraphBuilder): void {
  const input = b.castFrom(call.tensor('self'), call.type('self'), call.outputDType)
  call.result(b.add('ReduceSum', [input, b.ints(axesOf(call))], { keepdims: int(keepsDimensions(call)) }))
}

/** The 1- or 2-norm over axes. */
export function vectorNorm(order: 'ord' | 'p'): (call: Call, b: GraphBuilder) => void {
  return (call, b) => {
    const power = call.numberOr(order, 2)
    if (power !== 1 && power !== 2) call.unsupported(`a norm of order ${power}`)
    const input = b.castFrom(call.tensor('self'), call.type('self'), call.outputDType)
    const attributes = { axes: ints(axesOf(call)), keepdims: int(keepsDimensions(call)) }
    call.result(b.add(`ReduceL${power}`, [input], attributes))
  }
}

/** Of all elements; of two tensors; or along an axis, with the place of the first that is largest. */
export function maximum(call: Call, b: GraphBuilder): void {
  const self = call.tensor('self')
  if (call.overload === 'other') {
    const dtype = call.outputDType
    const both = ['self', 'other'].map((name) => b.castFrom(call.tensor(name), call.type(name), dtype))
    call.result(b.add('Max', both))
    return
  }
  const keepdims = int(keepsDimensions(call))
  call.result(b.add('ReduceMax', [self], { axes: ints(axesOf(call)), keepdims }))
  if (call.overload !== 'dim') return
  const axis = int(call.axis('dim', call.type('self').shape.length))
  call.result(b.add('ArgMax', [self], { axis, keepdims, select_last_index: int(0) }), 1)
}
