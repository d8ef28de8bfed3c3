import assert from 'node:assert/strict'
import { test } from 'node:test'
import { searchBatchSize, type BatchTrial } from '../../../src/train/index.ts'

async function searched(
  capacity: number,
  { start = 16, maximum = 4096, images = Infinity } = {},
): Promise<{ tried: number[]; largest: number }> {
  const tried: number[] = []
  const trials = await searchBatchSize({
    start,
    maximum,
    measure(size): Promise<BatchTrial> {
      tried.push(size)
      const batchSize = Math.min(size, images)
      const fits = batchSize <= capacity
      return Promise.resolve({ batchSize, fits, peakBytes: size, imagesPerSecond: 1, why: fits ? null : 'too much' })
    },
  })
  return { tried, largest: Math.max(0, ...trials.filter(({ fits }) => fits).map(({ batchSize }) => batchSize)) }
}

test('batch-find › doubles, then halves the gap', async () => {
  assert.deepEqual(await searched(100), { tried: [16, 32, 64, 128, 96, 112, 104], largest: 96 })
})

test('batch-find › goes down from a first size that does not fit', async () => {
  assert.deepEqual(await searched(5, { start: 16 }), { tried: [16, 8, 4, 6, 5], largest: 5 })
  assert.deepEqual(await searched(0, { start: 4 }), { tried: [4, 2, 1], largest: 0 })
})

test('batch-find › stops at the maximum and at the end of the data set', async () => {
  assert.deepEqual(await searched(1e9, { maximum: 100 }), { tried: [16, 32, 64, 100], largest: 100 })
  assert.deepEqual(await searched(1e9, { images: 50 }), { tried: [16, 32, 64], largest: 50 })
})

test('batch-find › ends for every capacity, near it and below it', async () => {
  for (let capacity = 1; capacity <= 300; capacity++) {
    const { tried, largest } = await searched(capacity, { start: 3, maximum: 257 })
    const gap = Math.min(capacity, 257) - largest
    assert.ok(gap >= 0 && gap <= (largest >= 64 ? 8 : largest >= 16 ? 4 : 0), `${capacity}: ${largest}`)
    assert.equal(new Set(tried).size, tried.length, `${capacity}: ${tried.join()}`)
  }
})
