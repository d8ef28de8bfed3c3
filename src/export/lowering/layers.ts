/** Layers with weights, pooling, normalisation, softmax and attention. */

import { float, int, ints } from '../onnx-model.ts'
import type { GraphBuilder } from './builder.ts'
import type { Call } from './call.ts'

/** One number per spatial axis; PyTorch allows a single one for all. */
function spatial(values: readonly number[], rank: number): number[] {
  return values.length === 1 ? Array<number>(rank).fill(values[0] as number) : [...values]
}

function optional(call: Call, name: string): string[] {
  return call.has(name) ? [call.tensor(name)] : []
}

export function convolution(call: Call, b: GraphBuilder): void {
  if (call.has('transposed') && call.bool('transposed')) call.unsupported('a transposed convolution')
  if (call.string('padding') !== null) call.unsupported(`padding "${call.string('padding')}"`)
  const { shape } = call.type('weight')
  const rank = shape.length - 2
  const padding = spatial(call.ints('padding'), rank)
  const inputs = [call.tensor('input'), call.tensor('weight'), ...optional(call, 'bias')]
  call.result(
    b.add('Conv', inputs, {
      dilations: ints(spatial(call.ints('dilation'), rank)),
      group: int(call.int('groups')),
      kernel_shape: ints(shape.slice(2)),
      pads: ints([...padding, ...padding]),
      strides: ints(spatial(call.ints('stride'), rank)),
    }),
  )
}

/** [N, I] or [N, …, I] times weight [O, I] transposed. */
export function linear(call: Call, b: GraphBuilder): void {
  const input = call.tensor('input')
  const weight = call.tensor('weight')
  if (call.type('input').shape.length === 2) {
    call.result(b.add('Gemm', [input, weight, ...optional(call, 'bias')], { transB: int(1) }))
    return
  }
  const product = b.add('MatMul', [input, b.add('Transpose', [weight], { perm: ints([1, 0]) })])
  call.result(call.has('bias') ? b.add('Add', [product, call.tensor('bias')]) : product)
}

/** beta · self + alpha · mat1 · mat2 */
export function addmm(call: Call, b: GraphBuilder): void {
  call.result(
    b.add('Gemm', [call.tensor('mat1'), call.tensor('mat2'), call.tensor('self')], {
      alpha: float(call.numberOr('alpha', 1)),
      beta: float(call.numberOr('beta', 1)),
    }),
  )
}

export function matmul(second: 'other' | 'mat2'): (call: Call, b: GraphBuilder) => void {
  return (call, b) => call.result(b.add('MatMul', [call.tensor('self'), call.tensor(second)]))
}

export function batchNorm(call: Call, b: GraphBuilder): void {
  if (call.bool('training')) call.unsupported('batch normalisation in training mode')
  const { dtype, shape } = call.type('input')
  const channels = shape[1] as number
  const parameter = (name: string, fallback: number): string =>
    call.has(name) ? call.tensor(name) : b.filled(fallback, channels, dtype)
  const inputs = [
    call.tensor('input'),
    parameter('weight', 1),
    parameter('bias', 0),
    call.tensor('running_mean'),
    call.tensor('running_var'),
  ]
  call.result(b.add('BatchNormalization', inputs, { epsilon: float(call.number('eps')) }))
}

export function layerNorm(call: Call, b: GraphBuilder): void {
  const axes = call.ints('normalized_shape')
  const { dtype } = call.type('input')
  const length = axes.reduce((product, size) => product * size, 1)
  const scale = call.has('weight') ? call.tensor('weight') : b.reshape(b.filled(1, length, dtype), axes)
  const inputs = [call.tensor('input'), scale, ...optional(call, 'bias')]
  call.result(b.add('LayerNormalization', inputs, { axis: int(-axes.length), epsilon: float(call.number('eps')) }))
}

export function maxPool2d(call: Call, b: GraphBuilder): void {
  const kernel = spatial(call.ints('kernel_size'), 2)
  const stride = call.ints('stride')
  const padding = spatial(call.ints('padding'), 2)
  call.result(
    b.add('MaxPool', [call.tensor('self')], {
      ceil_mode: int(Number(call.bool('ceil_mode'))),
      dilations: ints(spatial(call.ints('dilation'), 2)),
      kernel_shape: ints(kernel),
      pads: ints([...padding, ...padding]),
      strides: ints(stride.length === 0 ? kernel : spatial(stride, 2)),
    }),
  )
}

export function averagePool2d(call: Call, b: GraphBuilder): void {
  if (call.has('divisor_override')) call.unsupported('divisor_override')
  const kernel = spatial(call.ints('kernel_size'), 2)
  const stride = call.ints('stride')
  const padding = spatial(call.ints('padding'), 2)
  // ONNX Runtime and PyTorch divide the windows that overhang the last row differently.
  if (call.bool('ceil_mode')) call.unsupported('ceil_mode')
  call.result(
    b.add('AveragePool', [call.tensor('self')], {
      count_include_pad: int(Number(call.bool('count_include_pad'))),
      kernel_shape: ints(kernel),
      pads: ints([...padding, ...padding]),
      strides: ints(stride.length === 0 ? kernel : spatial(stride, 2)),
    }),
  )
}

/** Windows of equal size only: to 1 × 1, or where the output divides the input. */
export function adaptiveAveragePool2d(call: Call, b: GraphBuilder): void {
  const size = call.type('self').shape.slice(-2)
  const wanted = spatial(call.ints('output_size'), 2)
  if (wanted.every((extent) => extent === 1)) {
    call.result(b.add('GlobalAveragePool', [call.tensor('self')]))
    return
  }
  const kernel = size.map((extent, i) => extent / (wanted[i] as number))
  if (!kernel.every(Number.isInteger)) call.unsupported(`pooling ${size.join('×')} to ${wanted.join('×')}`)
  call.result(b.add('AveragePool', [call.tensor('self')], { kernel_shape: ints(kernel), strides: ints(kernel) }))
}

export function softmax(opType: 'Softmax' | 'LogSoftmax'): (call: Call, b: GraphBuilder) => void {
  return (call, b) => {
    const { shape } = call.type('self')
    const input = b.castFrom(call.tensor('self'), call.type('self'), call.outputDType)
    call.result(b.add(opType, [input], { axis: int(call.axis('dim', shape.length)) }))
  }
}

/** softmax(q kᵀ · scale + mask) v over [N, H, T, d]; Vaswani et al. 2017, eq. 1. */
export function attention(call: Call, b: GraphBuilder): void {
  if (call.numberOr('dropout_p', 0) !== 0) call.unsupported('attention dropout')
  if (call.has('is_causal') && call.bool('is_causal')) call.unsupported('causal attention')
  if (call.has('enable_gqa') && call.bool('enable_gqa')) call.unsupported('grouped-query attention')
  const { dtype, shape } = call.type('query')
  const rank = shape.length
  const order = Array.from({ length: rank }, (_, i) => i)
  ;[order[rank - 2], order[rank - 1]] = [rank - 1, rank - 2]
  const scale = call.numberOr('scale', 1 / Math.sqrt(shape[rank - 1] as number))
  const query = b.add('Mul', [call.tensor('query'), b.scalar(scale, dtype)])
  let scores = b.add('MatMul', [query, b.add('Transpose', [call.tensor('key')], { perm: ints(order) })])
  if (call.has('attn_mask')) {
    if (call.type('attn_mask').dtype === 'bool') call.unsupported('a boolean attention mask')
    scores = b.add('Add', [scores, call.tensor('attn_mask')])
  }
  call.result(b.add('MatMul', [b.add('Softmax', [scores], { axis: int(-1) }), call.tensor('value')]))
}
