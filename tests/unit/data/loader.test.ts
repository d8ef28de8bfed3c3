import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { evaluationPlan, trainingPlan } from '../../../src/augment/index.ts'
import { torch } from '../../../src/binding/index.ts'
import { Loader, MemoryDataset, randomSampler, sequentialSampler, subset } from '../../../src/data/index.ts'
import type { Batch, Dataset } from '../../../src/data/index.ts'
import { ConfigError, DatasetError, ShapeError } from '../../../src/util/errors.ts'
import { liveTensors } from '../../support/live-tensors.ts'

const SIDE = 4
const SIZE = SIDE * SIDE * 3
/** Grey pictures whose level is their index; ids run from 100. */
const dataset = (count: number): MemoryDataset =>
  new MemoryDataset({
    name: 'levels',
    classNames: ['even', 'odd'],
    labels: Int32Array.from({ length: count }, (_, i) => i % 2),
    height: SIDE,
    width: SIDE,
    pixels: Uint8Array.from({ length: count * SIZE }, (_, at) => Math.floor(at / SIZE)),
    firstId: 100,
  })
const geometry = { imageSize: SIDE, inputHeight: SIDE, inputWidth: SIDE, mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] }
const plan = evaluationPlan(geometry)
const levels = (batch: Batch): number[] =>
  Array.from({ length: batch.size * batch.views }, (_, i) => Math.round(Number(batch.images.data()[i * SIZE])))

/** Counts the reads; `before` may delay or fail one. */
function watched(count: number, before: (call: number, signal?: AbortSignal) => Promise<void> = async () => undefined) {
  const inner = dataset(count)
  const calls: number[][] = []
  const outer: Dataset = {
    name: 'watched',
    classNames: inner.classNames,
    length: inner.length,
    labels: inner.labels,
    height: SIDE,
    width: SIDE,
    at: (index) => inner.at(index),
    unreadable: [],
    async read(indices, signal) {
      calls.push([...indices])
      await before(calls.length, signal)
      return inner.read(indices)
    },
  }
  return { dataset: outer, calls }
}

describe('loader', () => {
  test('gives every sample once, with pixels, labels, ids and indices that belong together', async () => {
    const before = await liveTensors()
    const data = dataset(10)
    const loader = new Loader({ dataset: data, sampler: randomSampler(data, 1), plan, batchSize: 4 })
    assert.equal(loader.batchesPerEpoch, 3)
    const seen: number[] = []
    for await (const batch of loader.epoch(0)) {
      assert.deepEqual(batch.images.shape, [batch.size, 3, SIDE, SIDE])
      assert.deepEqual(batch.labels.toArray(), Array.from(batch.labelValues))
      assert.deepEqual([batch.labels.dtype, batch.images.dtype], ['int64', 'float32'])
      assert.deepEqual(levels(batch), Array.from(batch.indices))
      assert.deepEqual(Array.from(batch.ids), Array.from(batch.indices, (index) => index + 100))
      assert.deepEqual(Array.from(batch.labelValues), Array.from(batch.indices, (index) => index % 2))
      seen.push(...batch.indices)
      batch.dispose()
    }
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      Array.from({ length: 10 }, (_, i) => i),
    )
    assert.equal(torch.liveTensors(), before)
  })

  test('dropLast leaves out the rest, views stack view by view', async () => {
    const data = dataset(10)
    const options = { dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4, dropLast: true, views: 2 }
    const loader = new Loader(options)
    assert.equal(loader.batchesPerEpoch, 2)
    const batches: number[][] = []
    for await (const batch of loader.epoch(0)) {
      batches.push(levels(batch))
      assert.deepEqual([batch.size, batch.views, batch.images.shape[0], batch.labels.shape[0]], [4, 2, 8, 4])
      batch.dispose()
    }
    assert.deepEqual(batches, [
      [0, 1, 2, 3, 0, 1, 2, 3],
      [4, 5, 6, 7, 4, 5, 6, 7],
    ])
  })

  test('from a start step it gives what the whole epoch would have given, and reads nothing before', async () => {
    const { dataset: data, calls } = watched(40)
    const augment = trainingPlan({ randomCrop: { padding: 2 }, horizontalFlip: true }, { ...geometry, seed: 3 })
    const loader = new Loader({ dataset: data, sampler: randomSampler(data, 5), plan: augment, batchSize: 8, views: 2 })
    const collect = async (start?: number): Promise<number[][]> => {
      const out: number[][] = []
      for await (const batch of loader.epoch(2, start)) {
        out.push([...batch.ids, ...batch.images.toArray()])
        batch.dispose()
      }
      return out
    }
    const whole = await collect()
    calls.length = 0
    assert.deepEqual(await collect(3), whole.slice(3))
    assert.equal(calls.length, 2)
  })

  test('a slow consumer holds it back: no more than prefetch batches are read ahead', async () => {
    const { dataset: data, calls } = watched(100)
    const loader = new Loader({ dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4, prefetch: 3 })
    let consumed = 0
    for await (const batch of loader.epoch(0)) {
      batch.dispose()
      await sleep(5)
      assert.ok(calls.length <= ++consumed + 3, `${calls.length} read after ${consumed}`)
      if (consumed === 6) break
    }
    await sleep(30)
    assert.ok(calls.length <= 9 + 1)
  })

  test('the next batches are read while one is being consumed', async () => {
    const { dataset: data, calls } = watched(40)
    const loader = new Loader({ dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4, prefetch: 2 })
    for await (const batch of loader.epoch(0)) {
      await sleep(30)
      assert.ok(calls.length >= 3)
      batch.dispose()
      break
    }
  })

  test('leaving early aborts what is on its way, frees it, and rejects nothing unseen', async () => {
    const before = await liveTensors()
    const unhandled: unknown[] = []
    const listen = (reason: unknown): unknown => unhandled.push(reason)
    process.on('unhandledRejection', listen)
    let aborted = 0
    const { dataset: data } = watched(100, async (call, signal) => {
      if (call < 2) return
      await sleep(1000, undefined, signal ? { signal } : {}).catch((error: unknown) => {
        aborted++
        throw error
      })
    })
    const loader = new Loader({ dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4, prefetch: 4 })
    const start = performance.now()
    for await (const batch of loader.epoch(0)) {
      batch.dispose()
      break
    }
    assert.ok(performance.now() - start < 800)
    await sleep(20)
    process.off('unhandledRejection', listen)
    assert.deepEqual([unhandled, aborted], [[], 4])
    assert.equal(torch.liveTensors(), before)
  })

  test('a failing read surfaces at its batch, after the good ones before it', async () => {
    const before = await liveTensors()
    const { dataset: data } = watched(40, async (call) => {
      if (call === 3) throw new DatasetError('photo.jpg: the picture is damaged')
    })
    const loader = new Loader({ dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4 })
    let good = 0
    await assert.rejects(async () => {
      for await (const batch of loader.epoch(0)) {
        good++
        batch.dispose()
      }
    }, DatasetError)
    assert.equal(good, 2)
    assert.equal(torch.liveTensors(), before)
  })

  test('its signal ends the iteration with the reason', async () => {
    const stop = new AbortController()
    const data = dataset(40)
    const options = { dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4, signal: stop.signal }
    const reason = new Error('ctrl-c')
    await assert.rejects(
      async () => {
        for await (const batch of new Loader(options).epoch(0)) {
          batch.dispose()
          stop.abort(reason)
        }
      },
      (error) => error === reason,
    )
  })

  test('a batch survives the scope in which it was asked for', async () => {
    const data = dataset(8)
    const iterator = new Loader({ dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4 }).epoch(0)
    let kept: Batch | undefined
    await torch.scope(async () => {
      const { value } = (await iterator.next()) as IteratorYieldResult<Batch>
      kept = value
      return null
    })
    assert.deepEqual(levels(kept as Batch), [0, 1, 2, 3])
    const second = ((await iterator.next()) as IteratorYieldResult<Batch>).value
    assert.deepEqual(levels(second), [4, 5, 6, 7])
    kept?.dispose()
    second.dispose()
    await iterator.return?.()
  })

  test('a sample that comes again in an epoch is augmented anew; its first time is as if it came once', async () => {
    const random = trainingPlan({ randomCrop: { padding: 3 } }, { ...geometry, seed: 5 })
    const read = async (order: number[]): Promise<string[]> => {
      const sampler = { length: order.length, indices: () => Int32Array.from(order) }
      const out: string[] = []
      for await (const batch of new Loader({ dataset: dataset(4), sampler, plan: random, batchSize: 2 }).epoch(1)) {
        for (let i = 0; i < 2; i++) out.push(batch.images.data().slice(i * SIZE, (i + 1) * SIZE).join())
        batch.dispose()
      }
      return out
    }
    const repeated = await read([3, 3, 3, 3, 3, 3, 3, 3])
    assert.ok(new Set(repeated).size > 2)
    assert.equal((await read([3, 2]))[0], repeated[0])
  })

  test('augments with the threads that it is told to, and gives the same batches with any number', async () => {
    const data = dataset(40)
    const random = trainingPlan({ randomCrop: { padding: 2 }, randaugment: true }, { ...geometry, seed: 3 })
    const asked: (number | undefined)[] = []
    const apply = random.apply.bind(random)
    random.apply = (images, ids, request) => {
      asked.push(request.threads)
      return apply(images, ids, request)
    }
    const pixels = async (threads: number): Promise<number[][]> => {
      const loader = new Loader({ dataset: data, sampler: randomSampler(data, 1), plan: random, batchSize: 20, views: 2, threads })
      const all: number[][] = []
      for await (const batch of loader.epoch(0)) {
        all.push(Array.from(batch.images.data() as Float32Array))
        batch.dispose()
      }
      return all
    }
    const one = await pixels(1)
    assert.deepEqual(await pixels(3), one)
    assert.deepEqual(asked, [1, 1, 3, 3])
  })

  test('sizes that make no sense are refused', () => {
    const data = dataset(3)
    const options = { dataset: data, sampler: sequentialSampler(data), plan, batchSize: 4 }
    assert.throws(() => new Loader({ ...options, dropLast: true }), ConfigError)
    assert.throws(() => new Loader({ ...options, batchSize: 0 }), ConfigError)
    assert.throws(() => new Loader({ ...options, prefetch: 0 }), ConfigError)
  })
})

describe('subset', () => {
  test('keeps identities, labels and pixels, also of a subset of a subset', async () => {
    const part = subset(subset(dataset(10), [9, 1, 4, 7]), [3, 0])
    assert.deepEqual([part.length, Array.from(part.labels), part.at(0), part.at(1)], [2, [1, 1], { id: 107, label: 1 }, { id: 109, label: 1 }])
    assert.deepEqual(Array.from(await part.read([1, 0])).filter((_, at) => at % SIZE === 0), [9, 7])
  })

  test('refuses indices outside', async () => {
    assert.throws(() => subset(dataset(3), [3]), ShapeError)
    assert.throws(() => subset(dataset(3), [0]).at(1), ShapeError)
    await assert.rejects(dataset(3).read([-1]), ShapeError)
  })
})
