import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { balancedSampler, classBalancedSampler, namedSampler, randomSampler, repeatedSampler, sequentialSampler } from '../../../src/data/index.ts'
import type { ClassBalancedOptions, Labelled, Sampler } from '../../../src/data/index.ts'
import { ConfigError, DatasetError } from '../../../src/util/errors.ts'

function labelled(counts: readonly number[]): Labelled {
  const labels = Int32Array.from(counts.flatMap((count, label) => Array.from({ length: count }, () => label)))
  return { length: labels.length, labels, classNames: counts.map((_, label) => `class ${label}`) }
}

function batches(sampler: Sampler, batchSize: number, epoch: number = 0): number[][] {
  const order = Array.from(sampler.indices(epoch))
  return Array.from({ length: order.length / batchSize }, (_, b) => order.slice(b * batchSize, (b + 1) * batchSize))
}

describe('samplers', () => {
  test('random gives every index once, another order each epoch and seed, the same for the same', () => {
    const sampler = randomSampler({ length: 100 }, 3)
    const order = Array.from(sampler.indices(0))
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i),
    )
    assert.deepEqual(Array.from(randomSampler({ length: 100 }, 3).indices(0)), order)
    assert.notDeepEqual(Array.from(sampler.indices(1)), order)
    assert.notDeepEqual(Array.from(randomSampler({ length: 100 }, 4).indices(0)), order)
  })

  test('sequential gives the order of the data set in every epoch', () => {
    assert.deepEqual(Array.from(sequentialSampler({ length: 4 }).indices(9)), [0, 1, 2, 3])
  })

  test('class-balanced batches hold the asked number of distinct classes with m distinct samples each', () => {
    const data = labelled([40, 25, 60, 33, 50])
    const sampler = classBalancedSampler(data, { seed: 1, batchSize: 12, samplesPerClass: 4 })
    assert.equal(sampler.length, Math.floor(208 / 12) * 12)
    for (const epoch of [0, 1]) {
      for (const batch of batches(sampler, 12, epoch)) {
        const labels = batch.map((index) => data.labels[index] as number)
        assert.equal(new Set(labels).size, 3)
        for (const label of new Set(labels)) assert.equal(labels.filter((l) => l === label).length, 4)
        assert.equal(new Set(batch).size, 12)
      }
    }
  })

  test('classes are dealt equally often, samples of a class one after the other', () => {
    const data = labelled([20, 20, 20, 20])
    const sampler = classBalancedSampler(data, { seed: 2, batchSize: 4, samplesPerClass: 2 })
    const seen = new Int32Array(80)
    for (const index of sampler.indices(0)) seen[index] = (seen[index] as number) + 1
    assert.ok(
      seen.every((times) => times === 1),
      'every sample once in an epoch of equal classes',
    )
  })

  test('more groups than classes repeat classes, small classes repeat samples', () => {
    const data = labelled([2, 50])
    const sampler = classBalancedSampler(data, { seed: 1, batchSize: 16, samplesPerClass: 4 })
    for (const batch of batches(sampler, 16)) {
      const first = batch.filter((index) => data.labels[index] === 0)
      assert.equal(first.length, 8)
      assert.equal(new Set(first).size, 2)
      assert.equal(new Set(batch.filter((index) => data.labels[index] === 1)).size, 8)
    }
  })

  test('is a pure function of seed and epoch', () => {
    const data = labelled([30, 30, 30])
    const make = (seed: number): Sampler => classBalancedSampler(data, { seed, batchSize: 6, samplesPerClass: 2 })
    assert.deepEqual(make(1).indices(5), make(1).indices(5))
    assert.notDeepEqual(make(1).indices(5), make(1).indices(6))
    assert.notDeepEqual(make(1).indices(5), make(2).indices(5))
  })

  test('a data set smaller than a batch still gives one', () => {
    assert.equal(classBalancedSampler(labelled([3, 3]), { seed: 1, batchSize: 8, samplesPerClass: 2 }).length, 8)
  })

  test('sizes that do not fit, and classes that are too small, are refused by name', () => {
    const data = labelled([5, 5])
    const refused = (options: Omit<ClassBalancedOptions, 'seed'>): void => {
      assert.throws(() => classBalancedSampler(data, { seed: 1, ...options }), ConfigError)
    }
    refused({ batchSize: 10, samplesPerClass: 4 })
    refused({ batchSize: 8, samplesPerClass: 4, classesPerBatch: 3 })
    assert.throws(
      () => classBalancedSampler(labelled([5, 1]), { seed: 1, batchSize: 4, samplesPerClass: 2 }),
      (e: unknown) =>
        e instanceof DatasetError && /class "class 1" has 1 image; 2 a batch need at least 2/.test(e.message),
    )
    assert.throws(
      () => classBalancedSampler(labelled([5, 0]), { seed: 1, batchSize: 4, samplesPerClass: 1 }),
      DatasetError,
    )
    assert.equal(classBalancedSampler(labelled([5, 1]), { seed: 1, batchSize: 4, samplesPerClass: 1 }).length, 4)
  })
})

describe('balanced', () => {
  test('draws every class equally often, every member of a class once before any again', () => {
    const dataset = labelled([90, 10, 20])
    const order = Array.from(balancedSampler(dataset, 3).indices(2))
    assert.equal(order.length, 120)
    for (const label of [0, 1, 2]) {
      const drawn = order.filter((index) => dataset.labels[index] === label)
      assert.equal(drawn.length, 40)
      const times = new Map<number, number>()
      for (const index of drawn) times.set(index, (times.get(index) ?? 0) + 1)
      const most = Math.max(...times.values())
      assert.equal(most, Math.ceil(40 / [90, 10, 20][label]!))
    }
    assert.deepEqual(Array.from(balancedSampler(dataset, 3).indices(2)), order)
    assert.notDeepEqual(Array.from(balancedSampler(dataset, 3).indices(3)), order)
    assert.throws(() => balancedSampler(labelled([3, 0]), 1), DatasetError)
  })

  test('mixes the classes over the epoch', () => {
    const dataset = labelled([500, 500])
    const order = Array.from(balancedSampler(dataset, 1).indices(0))
    const runs = order.filter((index, at) => at === 0 || dataset.labels[index] !== dataset.labels[order[at - 1] as number]).length
    assert.ok(runs > 400 && runs < 600, `${runs} runs`)
  })
})

describe('repeated', () => {
  test('gives each of N / repeats pictures that often, one after the other, others in the next epoch', () => {
    const sampler = repeatedSampler({ length: 12 }, 3, 5)
    const order = Array.from(sampler.indices(0))
    assert.equal(order.length, 12)
    for (let at = 0; at < 12; at += 3) assert.equal(new Set(order.slice(at, at + 3)).size, 1)
    assert.equal(new Set(order).size, 4)
    assert.notDeepEqual(new Set(sampler.indices(1)), new Set(order))
  })

  test('named: each name is its sampler', () => {
    const dataset = labelled([6, 6])
    const order = (sampler: 'random' | 'balanced' | 'm_per_class' | 'repeated', shuffleTrain = true): number[] =>
      Array.from(namedSampler({ sampler, samplerRepeats: 3, shuffleTrain }, dataset, 6, 4).indices(1))
    assert.deepEqual(order('random'), Array.from(randomSampler(dataset, 4).indices(1)))
    assert.deepEqual(order('random', false), Array.from({ length: 12 }, (_, i) => i))
    assert.deepEqual(order('balanced'), Array.from(balancedSampler(dataset, 4).indices(1)))
    assert.deepEqual(order('repeated'), Array.from(repeatedSampler(dataset, 3, 4).indices(1)))
    const m = classBalancedSampler(dataset, { seed: 4, batchSize: 6, samplesPerClass: 3 })
    assert.deepEqual(order('m_per_class'), Array.from(m.indices(1)))
  })
})
