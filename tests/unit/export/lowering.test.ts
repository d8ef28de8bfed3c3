import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Tensor } from '../../../src/binding/index.ts'
import type { Argument, Keywords } from '../../../src/binding/index.ts'
import { SnapshotError, torch } from '../../../src/binding/index.ts'
import type { TracedGraph } from '../../../src/export/graph.ts'
import { lowerToOnnx } from '../../../src/export/lowering/index.ts'
import { lowerings } from '../../../src/export/lowering/table.ts'
import { float, nativeCall, runLowered, tracedCall, typeOf } from './traced-call.ts'
import type { Arguments, Value } from './traced-call.ts'

/** Numbers in (−2, 2) that no two positions share, so that a swapped axis or argument shows. */
function numbers(...shape: number[]): Tensor {
  const length = shape.reduce((product, size) => product * size, 1)
  const values = Float32Array.from({ length }, (_, i) => 2 * Math.sin(1 + 1.7 * i + 0.13 * i * i))
  return torch.tensor(values, { shape })
}

/** The same, all between 0.3 and 2.3. */
function positive(...shape: number[]): Tensor {
  return torch.tensor(
    numbers(...shape)
      .toArray()
      .map((value) => Math.abs(value) + 0.3),
    { shape },
  )
}

interface Case {
  readonly overload?: string
  readonly args: () => Arguments
}

const self = (...shape: number[]): readonly [string, Value] => ['self', numbers(...shape)]
const onSelf = (...more: (readonly [string, Value])[]): Case => ({ args: () => [self(2, 3, 4), ...more] })
const onPositive: Case = { args: () => [['self', positive(2, 5)]] }

const convolution = (bias: boolean, tail: Arguments): Arguments => [
  ['input', numbers(2, 4, 7, 6)],
  ['weight', numbers(6, 2, 3, 2)],
  ['bias', bias ? numbers(6) : null],
  ['stride', [2, 1]],
  ['padding', [1, 0]],
  ['dilation', [1, 2]],
  ...tail,
]
const transposedTail: Arguments = [
  ['transposed', false],
  ['output_padding', [0, 0]],
  ['groups', 2],
]
const cudnnTail: Arguments = [
  ['benchmark', false],
  ['deterministic', false],
  ['cudnn_enabled', true],
  ['allow_tf32', true],
]
const attention = (...tail: (readonly [string, Value])[]): Case => ({
  args: () => [['query', numbers(2, 2, 3, 4)], ['key', numbers(2, 2, 5, 4)], ['value', positive(2, 2, 5, 6)], ...tail],
})
const batchNorm = (affine: boolean): Case => ({
  args: () => [
    ['input', numbers(2, 3, 2, 2)],
    ['weight', affine ? numbers(3) : null],
    ['bias', affine ? numbers(3) : null],
    ['running_mean', numbers(3)],
    ['running_var', positive(3)],
    ['training', false],
    ['momentum', 0.1],
    ['eps', 0.01],
    ['cudnn_enabled', false],
  ],
})
const layerNorm = (affine: boolean): Case => ({
  args: () => [
    ['input', numbers(2, 3, 4)],
    ['normalized_shape', [3, 4]],
    ['weight', affine ? numbers(3, 4) : null],
    ['bias', affine ? positive(3, 4) : null],
    ['eps', 0.1],
    ['cudnn_enable', false],
  ],
})
const maxPool = (stride: number[], padding: number, ceil: boolean): Case => ({
  args: () => [
    self(1, 2, 7, 6),
    ['kernel_size', [3, 2]],
    ['stride', stride],
    ['padding', [padding]],
    ['dilation', [1]],
    ['ceil_mode', ceil],
  ],
})
const averagePool = (padded: boolean): Case => ({
  args: () => [
    self(1, 2, 6, 6),
    ['kernel_size', [3]],
    ['stride', []],
    ['padding', [1]],
    ['ceil_mode', false],
    ['count_include_pad', padded],
    ['divisor_override', null],
  ],
})
const adaptive: Case[] = [
  { args: () => [self(2, 3, 4, 6), ['output_size', [1, 1]]] },
  { args: () => [self(2, 3, 4, 6), ['output_size', [2, 3]]] },
]
const reduction: Case[] = [onSelf(['dim', [-1, 0]], ['keepdim', true]), onSelf(['dim', [1]], ['keepdim', false])]
const dimmed = reduction.map((one) => ({ ...one, overload: 'dim' }))
const softmaxes: Case[] = [onSelf(['dim', 1], ['dtype', null]), onSelf(['dim', -1], ['dtype', null])]
const withOther = (...more: (readonly [string, Value])[]): Case => ({
  overload: 'Tensor',
  args: () => [self(2, 3, 4), ['other', positive(3, 1)], ...more],
})
const scalarOther = (value: Value, ...more: (readonly [string, Value])[]): Case => ({
  overload: 'Scalar',
  args: () => [self(2, 3), ['other', value], ...more],
})

/** Row 0 names column 2 twice, so that a sum shows that it sums. */
const places = (): Tensor => torch.tensor([2, 0, 2, 1, 0, 2], { shape: [2, 3], dtype: 'int64' })
const scattered: Case = {
  args: () => [self(2, 4), ['dim', -1], ['index', places()], ['src', positive(2, 3)]],
}

/** Named once each: which of two would stay is not defined. */
const withDistinctPlaces: Case = {
  args: () => [
    self(2, 4),
    ['dim', 1],
    ['index', torch.tensor([2, 0, 3, 1, 0, 2], { shape: [2, 3], dtype: 'int64' })],
    ['src', positive(2, 3)],
  ],
}

/** One or more calls for every operation of the table. */
const cases: Readonly<Record<string, readonly Case[]>> = {
  'aten::_adaptive_avg_pool2d': adaptive,
  'aten::_convolution': [true, false].map((bias) => ({
    args: () => convolution(bias, [...transposedTail, ...cudnnTail]),
  })),
  'aten::_log_softmax': [onSelf(['dim', 1], ['half_to_float', false])],
  'aten::_softmax': [onSelf(['dim', 1], ['half_to_float', false])],
  'aten::_to_copy': [{ args: () => [['self', torch.tensor([0, 128, 255], { dtype: 'uint8' })]] }],
  'aten::_unsafe_view': [onSelf(['size', [6, -1]])],
  'aten::abs': [onSelf()],
  'aten::adaptive_avg_pool2d': adaptive,
  'aten::add': [withOther(), { ...scalarOther(1.5, ['alpha', 3]) }],
  'aten::addcmul': [
    { args: () => [self(4), ['tensor1', numbers(2, 3, 4)], ['tensor2', positive(2, 1, 4)]] },
    { args: () => [self(2, 3, 4), ['tensor1', numbers(4)], ['tensor2', positive(3, 1)]] },
  ],
  'aten::addmm': [{ args: () => [self(5), ['mat1', numbers(2, 3)], ['mat2', numbers(3, 5)]] }],
  'aten::alias': [onSelf()],
  'aten::amax': reduction,
  'aten::amin': reduction,
  'aten::avg_pool2d': [averagePool(true), averagePool(false)],
  'aten::batch_norm': [batchNorm(true), batchNorm(false)],
  'aten::bmm': [{ args: () => [self(2, 3, 4), ['mat2', numbers(2, 4, 5)]] }],
  'aten::cat': [
    {
      args: () => [
        ['tensors', [numbers(2, 3), positive(2, 1)]],
        ['dim', -1],
      ],
    },
  ],
  'aten::chunk': [{ args: () => [self(5, 3), ['chunks', 2], ['dim', 0]] }],
  'aten::clamp': [
    onSelf(['min', -0.5], ['max', 1]),
    onSelf(['min', null], ['max', 0.25]),
    { overload: 'Tensor', args: () => [self(2, 3), ['min', numbers(3)], ['max', positive(2, 1)]] },
  ],
  'aten::clamp_max': [onSelf(['max', 0.5])],
  'aten::clamp_min': [onSelf(['min', 1e-12]), { overload: 'Tensor', args: () => [self(2, 3), ['min', numbers(3)]] }],
  'aten::clone': [onSelf()],
  'aten::constant_pad_nd': [onSelf(['pad', [1, 2, 0, 3]], ['value', 0.5]), onSelf(['pad', [0, 0, 1, 0]], ['value', 0])],
  'aten::contiguous': [onSelf()],
  'aten::conv2d': [{ args: () => convolution(true, [['groups', 2]]) }],
  'aten::convolution': [{ args: () => convolution(false, transposedTail) }],
  'aten::cos': [onSelf()],
  'aten::detach': [onSelf()],
  'aten::div': [withOther(), scalarOther(255)],
  'aten::dropout': [
    {
      args: () => [
        ['input', numbers(2, 3)],
        ['p', 0.5],
        ['train', false],
      ],
    },
  ],
  'aten::erf': [onSelf()],
  'aten::exp': [onSelf()],
  'aten::expand': [{ args: () => [self(2, 1, 4), ['size', [3, 2, 5, -1]]] }],
  'aten::expand_as': [{ args: () => [self(2, 1), ['other', numbers(3, 2, 4)]] }],
  'aten::flatten': [{ overload: 'using_ints', args: () => [self(2, 3, 4), ['start_dim', 1], ['end_dim', -1]] }],
  'aten::gather': [{ args: () => [self(2, 4), ['dim', 1], ['index', places()]] }],
  'aten::gelu': [onSelf()],
  'aten::index_select': [
    onSelf(['dim', 1], ['index', torch.tensor([2, 0, 0, 1], { dtype: 'int64' })]),
    onSelf(['dim', -1], ['index', torch.tensor([3, 1], { dtype: 'int64' })]),
  ],
  'aten::layer_norm': [layerNorm(true), layerNorm(false)],
  'aten::leaky_relu': [onSelf(['negative_slope', 0.2])],
  'aten::linalg_vector_norm': [
    onSelf(['ord', 2], ['dim', [1]], ['keepdim', true]),
    onSelf(['ord', 1], ['dim', [0, 2]], ['keepdim', false]),
  ],
  'aten::linear': [
    {
      args: () => [
        ['input', numbers(2, 3)],
        ['weight', numbers(5, 3)],
        ['bias', numbers(5)],
      ],
    },
    {
      args: () => [
        ['input', numbers(2, 4, 3)],
        ['weight', numbers(5, 3)],
        ['bias', numbers(5)],
      ],
    },
    {
      args: () => [
        ['input', numbers(2, 4, 3)],
        ['weight', numbers(5, 3)],
        ['bias', null],
      ],
    },
  ],
  'aten::log': [onPositive],
  'aten::log_softmax': [{ ...(softmaxes[0] as Case), overload: 'int' }],
  'aten::matmul': [{ args: () => [self(2, 3, 4), ['other', numbers(4, 5)]] }],
  'aten::max': [
    onSelf(),
    { overload: 'dim', args: () => [self(2, 3, 4), ['dim', -2], ['keepdim', false]] },
    { overload: 'dim', args: () => [self(2, 3, 4), ['dim', 2], ['keepdim', true]] },
    { overload: 'other', args: () => [self(2, 3), ['other', positive(3)]] },
  ],
  'aten::max_pool2d': [maxPool([2], 1, false), maxPool([], 0, true), maxPool([1, 2], 1, false)],
  'aten::mean': dimmed,
  'aten::mm': [{ args: () => [self(2, 3), ['mat2', numbers(3, 4)]] }],
  'aten::mul': [withOther(), scalarOther(-2.5)],
  'aten::narrow': [onSelf(['dim', -1], ['start', 1], ['length', 2])],
  'aten::neg': [onSelf()],
  'aten::norm': [{ overload: 'ScalarOpt_dim', args: () => [self(2, 3), ['p', 2], ['dim', [1]], ['keepdim', true]] }],
  'aten::numpy_T': [{ args: () => [self(2, 3)] }],
  'aten::ones_like': [onSelf()],
  'aten::pad': [onSelf(['pad', [2, 1]], ['mode', 'constant'], ['value', 1.5])],
  'aten::permute': [onSelf(['dims', [2, 0, -2]])],
  'aten::pow': [
    {
      overload: 'Tensor_Scalar',
      args: () => [
        ['self', positive(2, 3)],
        ['exponent', 1.5],
      ],
    },
    {
      overload: 'Tensor_Tensor',
      args: () => [
        ['self', positive(2, 3)],
        ['exponent', numbers(3)],
      ],
    },
  ],
  'aten::reciprocal': [onPositive],
  'aten::relu': [onSelf()],
  'aten::reshape': [onSelf(['shape', [4, -1]])],
  'aten::rsqrt': [onPositive],
  'aten::rsub': [scalarOther(1, ['alpha', 2]), withOther()],
  'aten::scaled_dot_product_attention': [
    attention(),
    {
      args: () => [...attention().args(), ['attn_mask', numbers(3, 5)], ['dropout_p', float(0)], ['is_causal', false]],
    },
  ],
  'aten::scatter': [{ ...withDistinctPlaces, overload: 'src' }],
  'aten::scatter_add': [scattered],
  'aten::select': [
    { overload: 'int', args: () => [self(2, 3, 4), ['dim', 1], ['index', 2]] },
    { overload: 'int', args: () => [self(2, 3, 4), ['dim', -1], ['index', -1]] },
  ],
  'aten::sigmoid': [onSelf()],
  'aten::silu': [onSelf()],
  'aten::sin': [onSelf()],
  'aten::slice': [
    { overload: 'Tensor', args: () => [self(2, 7), ['dim', 1], ['start', 1], ['end', 6], ['step', 2]] },
    { overload: 'Tensor', args: () => [self(2, 7), ['dim', -1], ['start', -3], ['end', null], ['step', 1]] },
  ],
  'aten::softmax': softmaxes.map((one) => ({ ...one, overload: 'int' })),
  'aten::sort': [onSelf(['dim', 1], ['descending', true]), onSelf(['dim', -1], ['descending', false])],
  'aten::split': [{ overload: 'Tensor', args: () => [self(5, 3), ['split_size', 2], ['dim', 0]] }],
  'aten::split_with_sizes': [{ args: () => [self(2, 6), ['split_sizes', [1, 3, 2]], ['dim', -1]] }],
  'aten::sqrt': [onPositive],
  'aten::square': [onSelf()],
  'aten::squeeze': [{ overload: 'dim', args: () => [self(2, 1, 3), ['dim', 1]] }],
  'aten::stack': [
    {
      args: () => [
        ['tensors', [numbers(2, 3), positive(2, 3)]],
        ['dim', 1],
      ],
    },
  ],
  'aten::sub': [withOther(), scalarOther(1.5, ['alpha', 2])],
  'aten::sum': reduction.map((one) => ({ ...one, overload: 'dim_IntList' })),
  'aten::t': [{ args: () => [self(2, 3)] }, { args: () => [self(3)] }],
  'aten::tanh': [onSelf()],
  'aten::to': [
    {
      overload: 'other',
      args: () => [
        ['self', torch.tensor([0, 128, 255], { dtype: 'uint8' })],
        ['other', numbers(1)],
      ],
    },
  ],
  'aten::transpose': [{ overload: 'int', args: () => [self(2, 3, 4), ['dim0', -1], ['dim1', 0]] }],
  'aten::type_as': [{ args: () => [self(2, 3), ['other', torch.tensor([1], { dtype: 'int64' })]] }],
  'aten::unbind': [{ overload: 'int', args: () => [self(2, 3, 4), ['dim', 1]] }],
  'aten::unflatten': [{ overload: 'int', args: () => [self(2, 6), ['dim', 1], ['sizes', [2, 3]]] }],
  'aten::unsqueeze': [onSelf(['dim', -1])],
  'aten::view': [onSelf(['size', [3, 8]])],
  'aten::zeros_like': [onSelf()],
}

/** Operations on traced sizes have no tensor result; "keeps the batch" below runs them. */
const onSizes = ['aten::Int', 'aten::size', 'prim::NumToTensor']

async function assertSame(op: string, overload: string, args: Arguments, keywords?: readonly Tensor[]): Promise<void> {
  const wanted = keywords ?? nativeCall(op, overload, args)
  const { graph, parameters, input } = tracedCall(op, overload, args, wanted.map(typeOf))
  const got = await runLowered(graph, parameters, input)
  wanted.forEach((tensor, i) => {
    assert.deepEqual(got[i]?.shape, tensor.shape)
    const values = tensor.toArray()
    got[i]?.values.forEach((value, k) => {
      const expected = values[k] as number
      assert.ok(
        Math.abs(value - expected) <= 2e-5 * (1 + Math.abs(expected)),
        `${op}: result ${i} at ${k}: ${value}, natively ${expected}`,
      )
    })
  })
}

describe('lowering', () => {
  test('has a case here for every operation of the table', () => {
    assert.deepEqual([...Object.keys(cases), ...onSizes].sort(), Object.keys(lowerings).sort())
  })

  for (const [op, calls] of Object.entries(cases)) {
    test(`${op} gives what LibTorch gives`, async () => {
      for (const { overload = '', args } of calls) {
        await torch.scope(() => assertSame(op, overload, args()))
      }
    })
  }

  test('keyword arguments count: alpha, approximate, scale, rounding_mode', async () => {
    await torch.scope(async () => {
      const x = numbers(2, 3)
      const y = positive(2, 3)
      const call = (op: string, ...args: (Argument | Keywords)[]): Tensor[] => [torch.call(op, ...args) as Tensor]
      const pair: Arguments = [
        ['self', x],
        ['other', y],
      ]
      const alpha = (op: string): Promise<void> =>
        assertSame(op, 'Tensor', [...pair, ['alpha', 2.5]], call(`${op}.Tensor`, x, y, { alpha: 2.5 }))
      await alpha('aten::add')
      await alpha('aten::sub')
      await alpha('aten::rsub')
      const tanh = call('aten::gelu', x, { approximate: 'tanh' })
      await assertSame(
        'aten::gelu',
        '',
        [
          ['self', x],
          ['approximate', 'tanh'],
        ],
        tanh,
      )
      const floor = call('aten::div.Tensor_mode', x, y, { rounding_mode: 'floor' })
      await assertSame('aten::div', 'Tensor_mode', [...pair, ['rounding_mode', 'floor']], floor)
      const product = call('aten::addmm', numbers(4), numbers(2, 3), numbers(3, 4), { beta: 0.5, alpha: 2 })
      const factors: Arguments = [
        ['self', numbers(4)],
        ['mat1', numbers(2, 3)],
        ['mat2', numbers(3, 4)],
        ['beta', 0.5],
        ['alpha', float(2)],
      ]
      await assertSame('aten::addmm', '', factors, product)
      const halved = call('aten::addcmul', x, y, y, { value: -0.5 })
      const terms: Arguments = [
        ['self', x],
        ['tensor1', y],
        ['tensor2', y],
        ['value', -0.5],
      ]
      await assertSame('aten::addcmul', '', terms, halved)
      const [query, key, value] = [numbers(1, 1, 3, 4), numbers(1, 1, 5, 4), positive(1, 1, 5, 4)]
      const scaled = call('aten::scaled_dot_product_attention', query, key, value, { scale: 0.9 })
      const roles: Arguments = [
        ['query', query],
        ['key', key],
        ['value', value],
        ['scale', 0.9],
      ]
      await assertSame('aten::scaled_dot_product_attention', '', roles, scaled)
    })
  })

  test('an in-place operation is its plain form', async () => {
    await torch.scope(async () => {
      const x = numbers(2, 3)
      const { graph, parameters } = tracedCall('aten::relu_', '', [['self', x]], [typeOf(x)])
      const [got] = await runLowered(graph, parameters, x)
      assert.deepEqual(
        got?.values,
        x.toArray().map((value) => Math.max(value, 0)),
      )
    })
  })

  test('keeps the batch symbolic through sizes, reshape and expand', async () => {
    // image [B, 4] → reshape [2B, 2]; size(0) + cls [1, 4] expanded to [B, 4] → cat [B, 8]
    const graph: TracedGraph = {
      inputs: [0],
      outputs: [2, 6],
      nodes: [
        {
          op: 'aten::reshape',
          overload: '',
          inputs: [
            { name: 'self', value: 0 },
            {
              name: 'shape',
              list: [
                { type: 'batch', constant: 2 },
                { type: 'int', constant: 2 },
              ],
            },
          ],
          outputs: [2],
        },
        {
          op: 'aten::size',
          overload: 'int',
          inputs: [
            { name: 'self', value: 0 },
            { name: 'dim', type: 'int', constant: 0 },
          ],
          outputs: [3],
        },
        { op: 'prim::NumToTensor', overload: 'Scalar', inputs: [{ name: 'a', value: 3 }], outputs: [4] },
        { op: 'aten::Int', overload: 'Tensor', inputs: [{ name: 'a', value: 4 }], outputs: [7] },
        {
          op: 'aten::expand',
          overload: '',
          inputs: [
            { name: 'self', value: 1 },
            { name: 'size', list: [{ value: 7 }, { type: 'int', constant: -1 }] },
            { name: 'implicit', type: 'bool', constant: false },
          ],
          outputs: [5],
        },
        {
          op: 'aten::cat',
          overload: '',
          inputs: [
            { name: 'tensors', list: [{ value: 0 }, { value: 5 }] },
            { name: 'dim', type: 'int', constant: 1 },
          ],
          outputs: [6],
        },
      ],
      parameters: { 1: 'cls' },
      types: {
        0: { dtype: 'float32', shape: [-1, 4] },
        1: { dtype: 'float32', shape: [1, 4] },
        2: { dtype: 'float32', shape: [-2, 2] },
        5: { dtype: 'float32', shape: [-1, 4] },
        6: { dtype: 'float32', shape: [-1, 8] },
      },
    }
    await torch.scope(async () => {
      const parameters = new Map([['cls', torch.tensor([9, 8, 7, 6], { shape: [1, 4] })]])
      for (const batch of [1, 3]) {
        const input = numbers(batch, 4)
        const [reshaped, joined] = await runLowered(graph, parameters, input)
        assert.deepEqual(reshaped?.shape, [2 * batch, 2])
        assert.deepEqual(reshaped.values, input.toArray())
        assert.deepEqual(joined?.shape, [batch, 8])
        assert.deepEqual(joined.values.slice(-4), [9, 8, 7, 6])
      }
    })
  })

  test('names an operation without a lowering, and where to add it', () => {
    torch.scope(() => {
      const x = numbers(2)
      const { graph, parameters } = tracedCall('aten::digamma', 'special', [['self', x]], [typeOf(x)])
      assert.throws(
        () =>
          lowerToOnnx(
            graph,
            parameters,
            { model: 'm', inputs: ['i'], outputs: ['o'] },
            { producerVersion: '0', metadata: {} },
          ),
        (error: unknown) =>
          error instanceof SnapshotError &&
          /aten::digamma\.special has no ONNX lowering.*lowering\/table\.ts/.test(error.message),
      )
    })
  })

  test('refuses what ONNX would compute differently', () => {
    const refused: [string, Arguments, RegExp][] = torch.scope(() => {
      const x = torch.keep(numbers(2, 3, 4, 4))
      const training = batchNorm(true)
        .args()
        .map(([name, value]) => [name, name === 'training' ? true : value] as const)
      for (const [, value] of training)
        if (value !== null && typeof value === 'object' && 'handle' in value) torch.keep(value)
      return [
        [
          'aten::dropout',
          [
            ['input', x],
            ['p', 0.5],
            ['train', true],
          ],
          /dropout in training mode/,
        ],
        ['aten::batch_norm', training, /batch normalisation in training mode/],
        [
          'aten::adaptive_avg_pool2d',
          [
            ['self', x],
            ['output_size', [3, 3]],
          ],
          /pooling 4×4 to 3×3/,
        ],
        [
          'aten::pad',
          [
            ['self', x],
            ['pad', [1, 1]],
            ['mode', 'reflect'],
            ['value', null],
          ],
          /padding mode "reflect"/,
        ],
        [
          'aten::linalg_vector_norm',
          [
            ['self', x],
            ['ord', 3],
            ['dim', [1]],
            ['keepdim', true],
          ],
          /order 3/,
        ],
        [
          'aten::view',
          [
            ['self', x],
            ['dtype', 4],
          ],
          /another type/,
        ],
      ]
    })
    for (const [op, args, reason] of refused) {
      const overload = op === 'aten::view' ? 'dtype' : ''
      const { graph, parameters, input } = tracedCall(op, overload, args, [{ dtype: 'float32', shape: [2, 3, 4, 4] }])
      assert.throws(
        () =>
          lowerToOnnx(
            graph,
            parameters,
            { model: 'm', inputs: ['i'], outputs: ['o'] },
            { producerVersion: '0', metadata: {} },
          ),
        (error: unknown) => error instanceof SnapshotError && reason.test(error.message),
        op,
      )
      input.dispose()
    }
  })
})
