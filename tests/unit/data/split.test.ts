import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { loadSplit, perClass, saveSplit, stratifiedFolds, stratifiedSplit } from '../../../src/data/index.ts'
import { DatasetError } from '../../../src/util/errors.ts'

const labelsOf = (counts: readonly number[]): Int32Array =>
  Int32Array.from(counts.flatMap((count, label) => Array.from({ length: count }, () => label)))
const count = (indices: readonly number[], labels: Int32Array, label: number): number =>
  indices.filter((index) => labels[index] === label).length

describe('stratified split', () => {
  test('gives each class its exact share where that is whole', () => {
    const labels = labelsOf([100, 50, 10])
    const { second } = stratifiedSplit(labels, 0.2, 1)
    assert.deepEqual(
      [0, 1, 2].map((label) => count(second, labels, label)),
      [20, 10, 2],
    )
  })

  test('gives what is left over to the largest remainders', () => {
    // Quotas 2.75, 2.5, 2.25, 2.5: the total of 10 takes 2 more, for class 0 and (first of the equal ones) class 1.
    const labels = labelsOf([11, 10, 9, 10])
    const { second } = stratifiedSplit(labels, 0.25, 1)
    assert.deepEqual(
      [0, 1, 2, 3].map((label) => count(second, labels, label)),
      [3, 3, 2, 2],
    )
  })

  test('a class of two is on both sides, a class of one stays in the first', () => {
    const labels = labelsOf([2, 1, 40])
    for (const fraction of [0.01, 0.5, 0.99]) {
      const { first, second } = stratifiedSplit(labels, fraction, 7)
      assert.deepEqual([count(first, labels, 0), count(second, labels, 0)], [1, 1])
      assert.deepEqual([count(first, labels, 1), count(second, labels, 1)], [1, 0])
    }
  })

  test('partitions the indices, with every class within one of its quota or clamped to both sides', () => {
    const counts = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(counts, fc.double({ min: 0, max: 0.99, noNaN: true }), fc.nat(), (sizes, fraction, seed) => {
        const labels = labelsOf(sizes)
        const { first, second } = stratifiedSplit(labels, fraction, seed)
        assert.deepEqual(
          [...first, ...second].sort((a, b) => a - b),
          Array.from(labels.keys()),
        )
        if (fraction === 0) return assert.equal(second.length, 0)
        sizes.forEach((size, label) => {
          const taken = count(second, labels, label)
          const quota = size * fraction
          if (size >= 2) assert.ok(taken >= 1 && taken < size)
          else assert.equal(taken, 0)
          const clamped = taken === 1 || taken === size - 1 || size < 2
          assert.ok(clamped || (taken >= Math.floor(quota) && taken <= Math.ceil(quota)))
        })
      }),
      { numRuns: 300 },
    )
  })

  test('depends on the seed, and on nothing else', () => {
    const labels = labelsOf([30, 30])
    assert.deepEqual(stratifiedSplit(labels, 0.3, 1), stratifiedSplit(labels, 0.3, 1))
    assert.notDeepEqual(stratifiedSplit(labels, 0.3, 1), stratifiedSplit(labels, 0.3, 2))
  })

  test('survives being saved, and a damaged file is refused by name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trivium-split-'))
    try {
      const path = join(folder, 'split.json')
      const indices = { train: [1, 2], validation: [], test: [0, 7] }
      await saveSplit(path, indices)
      assert.deepEqual(await loadSplit(path), indices)
      for (const bad of ['', 'null', '[]', '{"train":[1],"validation":[],"test":[-1]}', '{"train":[1]}']) {
        await writeFile(path, bad)
        await assert.rejects(loadSplit(path), (e: unknown) => e instanceof DatasetError && e.message.includes(path))
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('stratified folds', () => {
  test('are everything once, equally large to one, with each class shared to one', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 7, max: 40 }), { minLength: 1, maxLength: 6 }), fc.integer({ min: 2, max: 7 }), (counts, folds) => {
        const labels = labelsOf(counts)
        const parts = stratifiedFolds(labels, folds, 5)
        assert.deepEqual(parts.flat().sort((a, b) => a - b), Array.from(labels.keys()))
        const spread = (sizes: number[]): number => Math.max(...sizes) - Math.min(...sizes)
        assert.ok(spread(parts.map((part) => part.length)) <= 1)
        counts.forEach((_, label) => assert.ok(spread(parts.map((part) => count(part, labels, label))) <= 1))
      }),
    )
  })

  test('depend on the seed, and refuse a class with fewer samples than folds', () => {
    const labels = labelsOf([20, 20])
    assert.deepEqual(stratifiedFolds(labels, 4, 1), stratifiedFolds(labels, 4, 1))
    assert.notDeepEqual(stratifiedFolds(labels, 4, 1), stratifiedFolds(labels, 4, 2))
    assert.throws(() => stratifiedFolds(labelsOf([9, 3]), 4, 1), (e) => e instanceof DatasetError && /class 1 has 3 training samples/.test(e.message))
  })
})

describe('subset per class', () => {
  test('takes the asked number of each class, all of a smaller one; fewer are among more', () => {
    const labels = labelsOf([10, 3, 6])
    const five = perClass(labels, 5, 7)
    assert.deepEqual([0, 1, 2].map((label) => count(five, labels, label)), [5, 3, 5])
    const two = perClass(labels, 2, 7)
    assert.ok(two.every((index) => five.includes(index)) && two.length === 6)
    assert.notDeepEqual(perClass(labels, 5, 8), five)
  })
})
