import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Tensor } from '../../../src/binding/index.ts'
import { BindingError, ConfigError, ShapeError, torch } from '../../../src/binding/index.ts'
import { liveTensors } from '../../support/live-tensors.ts'

describe('tensor', () => {
  test('keeps shape, element type and values of every typed array', () => {
    const cases = [
      [new Float32Array([1.5, -2]), 'float32'],
      [new Float64Array([1.5, -2]), 'float64'],
      [new BigInt64Array([5n, -7n]), 'int64'],
      [new Int32Array([5, -7]), 'int32'],
      [new Int16Array([5, -7]), 'int16'],
      [new Int8Array([5, -7]), 'int8'],
      [new Uint8Array([5, 255]), 'uint8'],
    ] as const
    for (const [data, dtype] of cases) {
      using t = torch.tensor(data, { shape: [2, 1] })
      assert.deepEqual(t.shape, [2, 1])
      assert.equal(t.dtype, dtype)
      assert.equal(t.device, 'cpu')
      assert.deepEqual(t.data(), data)
    }
  })

  test('reads float16 and bfloat16 as float32, bool as bytes', () => {
    using t = torch.tensor([1, 0, 2.5])
    using half = t.to('float16')
    using brain = t.to('bfloat16')
    using flags = t.to('bool')
    assert.deepEqual(half.data(), new Float32Array([1, 0, 2.5]))
    assert.deepEqual(brain.data(), new Float32Array([1, 0, 2.5]))
    assert.deepEqual(flags.data(), new Uint8Array([1, 0, 1]))
  })

  test('makes int64 tensors from plain numbers beyond 2^31', () => {
    using t = torch.tensor([2 ** 40, -3], { dtype: 'int64' })
    assert.deepEqual(t.data(), new BigInt64Array([1099511627776n, -3n]))
    assert.deepEqual(t.toArray(), [1099511627776, -3])
  })

  test('reads a view that is not contiguous in its logical order', () => {
    using t = torch.tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3] })
    using turned = torch.ops.t(t)
    assert.deepEqual(turned.toArray(), [1, 4, 2, 5, 3, 6])
  })

  test('refuses a shape that does not hold the data', () => {
    assert.throws(
      () => torch.tensor([1, 2, 3], { shape: [2, 2] }),
      (e: unknown) => e instanceof ShapeError && /4 elements but the data has 3/.test(e.message),
    )
    assert.throws(() => torch.tensor([1], { shape: [-1] }), ShapeError)
  })

  test('refuses what is no data, and numbers that the element type does not hold', () => {
    for (const data of [null, undefined, 'x', new DataView(new ArrayBuffer(4))])
      assert.throws(() => torch.tensor(data as never), BindingError)
    for (const [value, dtype] of [
      [1.5, 'int64'],
      [2 ** 53, 'int64'],
      [2 ** 31, 'int32'],
      [-1, 'uint8'],
      [300, 'uint8'],
    ] as const)
      assert.throws(() => torch.tensor([value], { dtype }), /expected whole numbers from/)
    assert.throws(() => torch.tensor(BigInt64Array.of(2n ** 60n)).item(), /data\(\)\[0\]/)
  })

  test('copies memory that threads share', () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    shared.set([1, 2])
    assert.deepEqual(torch.tensor(shared).toArray(), [1, 2])
  })

  test('modes and counts are checked', async () => {
    assert.throws(() => torch.autocast('int8' as never, () => 1), BindingError)
    assert.throws(() => torch.setNumThreads(0), ConfigError)
    assert.throws(() => torch.setNumThreads('x' as never), ConfigError)
    await assert.rejects(torch.backward(undefined as never), BindingError)
  })

  test('gives scalars a shape of no dimensions, and item() only for one element', () => {
    using scalar = torch.tensor(2.5)
    using pair = torch.tensor([1, 2])
    assert.deepEqual(scalar.shape, [])
    assert.equal(scalar.item(), 2.5)
    assert.throws(() => pair.item(), ShapeError)
  })

  test('refuses use after dispose, and a second dispose does nothing', () => {
    const t = torch.tensor([1])
    t.dispose()
    t.dispose()
    assert.equal(t.disposed, true)
    assert.throws(
      () => torch.ops.add(t, 1),
      (e: unknown) => e instanceof BindingError && /disposed/.test(e.message),
    )
    assert.throws(() => t.shape, BindingError)
  })

  test('counts live tensors, and scope frees all but the result', async () => {
    const before = await liveTensors()
    const kept = torch.scope(() => {
      const a = torch.tensor([1, 2])
      const b = torch.ops.mul(a, 3)
      torch.ops.exp(b)
      return { list: [torch.ops.add(a, b)], map: new Map([['b', b]]) }
    })
    assert.equal(torch.liveTensors(), before + 2)
    assert.deepEqual(kept.list[0]?.toArray(), [4, 8])
    kept.list[0]?.dispose()
    kept.map.get('b')?.dispose()
    assert.equal(torch.liveTensors(), before)
  })

  test('a scope frees its tensors when its function throws or rejects', async () => {
    const before = await liveTensors()
    assert.throws(
      () =>
        torch.scope(() => {
          torch.tensor([1])
          throw new Error('stop')
        }),
      /stop/,
    )
    await assert.rejects(
      torch.scope(async () => {
        torch.tensor([1])
        await null
        torch.tensor([2])
        throw new Error('late')
      }),
      /late/,
    )
    assert.equal(torch.liveTensors(), before)
  })

  test('two asynchronous scopes that interleave free only their own', async () => {
    const before = await liveTensors()
    const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
    const slow = torch.scope(async () => {
      const mine = torch.tensor([1])
      await wait(20)
      return mine.item()
    })
    const fast = torch.scope(async () => {
      torch.tensor([2])
      await wait(1)
      return 2
    })
    assert.deepEqual(await Promise.all([slow, fast]), [1, 2])
    assert.equal(torch.liveTensors(), before)
  })

  test('nested scopes hand results outward, and keep() escapes them all', async () => {
    const before = await liveTensors()
    let escaped: Tensor | undefined
    torch.scope(() => {
      const inner = torch.scope(() => torch.tensor([7]))
      assert.equal(inner.item(), 7)
      escaped = torch.keep(torch.tensor([8]))
    })
    assert.equal(torch.liveTensors(), before + 1)
    assert.equal(escaped?.item(), 8)
    escaped?.dispose()
  })
})

describe('autograd', () => {
  test('gives the derivative of x³ summed, 3x²', () => {
    const x = torch.tensor([1, -2, 3], { requiresGrad: true, dtype: 'float64' })
    torch.ops.sum(torch.ops.pow(x, 3)).backward()
    assert.deepEqual(x.grad?.toArray(), [3, 12, 27])
  })

  test('runs on the engine thread with the same result', async () => {
    const x = torch.tensor([2], { requiresGrad: true })
    await torch.backward(torch.ops.mul(x, x))
    assert.deepEqual(x.grad?.toArray(), [4])
  })

  test('noGrad records nothing, also across an await', async () => {
    const x = torch.tensor([2], { requiresGrad: true })
    const y = await torch.noGrad(async () => {
      await null
      return torch.ops.mul(x, x)
    })
    assert.equal(y.requiresGrad, false)
    assert.throws(
      () => y.backward(),
      (e: unknown) => e instanceof BindingError && /requires a gradient/.test(e.message),
    )
  })

  test('refuses backward from a tensor of several elements without a gradient', () => {
    const x = torch.tensor([1, 2], { requiresGrad: true })
    assert.throws(() => torch.ops.mul(x, 2).backward(), ShapeError)
    torch.ops.mul(x, 2).backward(torch.tensor([1, 10]))
    assert.deepEqual(x.grad?.toArray(), [2, 20])
  })

  test('autocast runs matrix products in bfloat16 inside, float32 outside', () => {
    const a = torch.ones([2, 2])
    assert.equal(torch.autocast('bfloat16', () => torch.ops.matmul(a, a)).dtype, 'bfloat16')
    assert.equal(torch.ops.matmul(a, a).dtype, 'float32')
  })
})
