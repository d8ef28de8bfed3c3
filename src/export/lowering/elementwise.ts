/** Arithmetic and activations, element by element. */

import { float } from '../onnx-model.ts'
import type { GraphBuilder } from './builder.ts'
import type { Call } from './call.ts'
import type { Lowering } from './lowering.ts'

/** A tensor or number argument as an ONNX value of the result's type. */
function operand(call: Call, b: GraphBuilder, name: string): string {
  const dtype = call.outputDType
  return call.isTensor(name)
    ? b.castFrom(call.tensor(name), call.type(name), dtype)
    : b.scalar(call.number(name), dtype)
}

/** other · alpha, the second operand of add and sub. */
function scaled(call: Call, b: GraphBuilder, name: string): string {
  const alpha = call.numberOr('alpha', 1)
  const value = operand(call, b, name)
  return alpha === 1 ? value : b.add('Mul', [value, b.scalar(alpha, call.outputDType)])
}

export function unary(opType: string): Lowering {
  return (call, b) => call.result(b.add(opType, [operand(call, b, 'self')]))
}

export function binary(opType: 'Mul'): Lowering {
  return (call, b) => call.result(b.add(opType, [operand(call, b, 'self'), operand(call, b, 'other')]))
}

export function add(call: Call, b: GraphBuilder): void {
  call.result(b.add('Add', [operand(call, b, 'self'), scaled(call, b, 'other')]))
}

export function subtract(call: Call, b: GraphBuilder): void {
  call.result(b.add('Sub', [operand(call, b, 'self'), scaled(call, b, 'other')]))
}

/** self + value · tensor1 · tensor2 */
export function addcmul(call: Call, b: GraphBuilder): void {
  const value = call.numberOr('value', 1)
  const product = b.add('Mul', [operand(call, b, 'tensor1'), operand(call, b, 'tensor2')])
  const scaled = value === 1 ? product : b.add('Mul', [product, b.scalar(value, call.outputDType)])
  call.result(b.add('Add', [operand(call, b, 'self'), scaled]))
}

/** other − alpha · self */
export function reverseSubtract(call: Call, b: GraphBuilder): void {
  call.result(b.add('Sub', [operand(call, b, 'other'), scaled(call, b, 'self')]))
}

export function divide(call: Call, b: GraphBuilder): void {
  const rounding = call.string('rounding_mode')
  if (rounding !== null && rounding !== 'floor') call.unsupported(`rounding_mode "${rounding}"`)
  const quotient = b.add('Div', [operand(call, b, 'self'), operand(call, b, 'other')])
  if (rounding !== null && !call.outputDType.startsWith('float')) call.unsupported('a division of integers')
  call.result(rounding === null ? quotient : b.add('Floor', [quotient]))
}

export function power(call: Call, b: GraphBuilder): void {
  call.result(b.add('Pow', [operand(call, b, 'self'), operand(call, b, 'exponent')]))
}

export function square(call: Call, b: GraphBuilder): void {
  const x = operand(call, b, 'self')
  call.result(b.add('Mul', [x, x]))
}

export function reciprocalSquareRoot(call: Call, b: GraphBuilder): void {
  call.result(b.add('Reciprocal', [b.add('Sqrt', [operand(call, b, 'self')])]))
}

/** clamp, clamp_min, clamp_max: either bound may be missing. */
export function clamp(call: Call, b: GraphBuilder): void {
  const dtype = call.outputDType
  const bound = (name: string): string => (call.has(name) ? operand(call, b, name) : '')
  if (call.isTensor('min') || call.isTensor('max')) {
    let value = b.castFrom(call.tensor('self'), call.type('self'), dtype)
    if (call.has('min')) value = b.add('Max', [value, bound('min')])
    if (call.has('max')) value = b.add('Min', [value, bound('max')])
    call.result(value)
    return
  }
  const inputs = [b.castFrom(call.tensor('self'), call.type('self'), dtype), bound('min'), bound('max')]
  while (inputs.at(-1) === '') inputs.pop()
  call.result(b.add('Clip', inputs))
}

/** Exact: x/2 · (1 + erf(x/√2)); "tanh": the approximation of Hendrycks & Gimpel 2016. ONNX has Gelu only from opset 20. */
export function gelu(call: Call, b: GraphBuilder): void {
  const x = call.tensor('self')
  const dtype = call.outputDType
  const number = (value: number): string => b.scalar(value, dtype)
  let gate: string
  if (call.string('approximate') === 'tanh') {
    const cube = b.add('Mul', [b.add('Mul', [x, x]), b.add('Mul', [x, number(0.044715)])])
    gate = b.add('Tanh', [b.add('Mul', [b.add('Add', [x, cube]), number(Math.sqrt(2 / Math.PI))])])
  } else {
    gate = b.add('Erf', [b.add('Mul', [x, number(Math.SQRT1_2)])])
  }
  call.result(b.add('Mul', [b.add('Mul', [x, number(0.5)]), b.add('Add', [gate, number(1)])]))
}

export function silu(call: Call, b: GraphBuilder): void {
  const x = call.tensor('self')
  call.result(b.add('Mul', [x, b.add('Sigmoid', [x])]))
}

export function leakyRelu(call: Call, b: GraphBuilder): void {
  call.result(b.add('LeakyRelu', [call.tensor('self')], { alpha: float(call.numberOr('negative_slope', 0.01)) }))
}
