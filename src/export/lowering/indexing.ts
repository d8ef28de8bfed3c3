/** Elements chosen by index, and their order. */

import { int } from '../onnx-model.ts'
import type { Attribute } from '../onnx-model.ts'
import type { GraphBuilder } from './builder.ts'
import type { Call } from './call.ts'

function alongAxis(call: Call): { axis: Attribute } {
  return { axis: int(call.axis('dim', call.type('self').shape.length)) }
}

/** self[…, index[…], …]: one index for every element of the result. */
export function gather(call: Call, b: GraphBuilder): void {
  call.result(b.add('GatherElements', [call.tensor('self'), call.tensor('index')], alongAxis(call)))
}

/** self with src in the places that index names. */
export function scatter(call: Call, b: GraphBuilder): void {
  if (!call.isTensor('src')) call.unsupported('one number for all places')
  call.result(
    b.add('ScatterElements', [call.tensor('self'), call.tensor('index'), call.tensor('src')], alongAxis(call)),
  )
}

/** self with src added in the places that index names, however often it names one. */
export function scatterAdd(call: Call, b: GraphBuilder): void {
  const dtype = call.outputDType
  const inputs = [
    b.castFrom(call.tensor('self'), call.type('self'), dtype),
    call.tensor('index'),
    b.castFrom(call.tensor('src'), call.type('src'), dtype),
  ]
  call.result(b.add('ScatterElements', inputs, { ...alongAxis(call), reduction: { kind: 'string', value: 'add' } }))
}

/** Values and indices. TopK puts the lower index first among equals, as a stable sort does. */
export function sort(call: Call, b: GraphBuilder): void {
  const { shape } = call.type('self')
  const axis = call.has('dim') ? call.axis('dim', shape.length) : shape.length - 1
  const length = shape[axis] as number
  if (length < 0) call.unsupported('sorting the batch')
  const descending = call.has('descending') && call.bool('descending')
  const attributes = { axis: int(axis), largest: int(Number(descending)), sorted: int(1) }
  const results = b.addMany('TopK', [call.tensor('self'), b.ints([length])], 2, attributes)
  results.forEach((name, i) => call.result(name, i))
}
