import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationInSteps, learningRateAt, type Schedule } from '../../../src/optim/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const cosine: Schedule = { kind: 'cosine', learningRate: 1, warmupSteps: 4, totalSteps: 14, finalFraction: 0 }

test('schedule › warms up linearly and reaches the peak at the end of the warm-up', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((step) => learningRateAt(cosine, step)),
    [0.25, 0.5, 0.75, 1, 1],
  )
})

test('schedule › cosine is half way down in the middle and at its floor at the end', () => {
  assert.ok(Math.abs(learningRateAt(cosine, 9) - 0.5) < 1e-12)
  assert.ok(Math.abs(learningRateAt(cosine, 14)) < 1e-12)
  assert.ok(Math.abs(learningRateAt({ ...cosine, finalFraction: 0.1 }, 14) - 0.1) < 1e-12)
  assert.equal(learningRateAt({ ...cosine, finalFraction: 0.1 }, 1000), 0.1)
})

test('schedule › cosine never rises after the warm-up', () => {
  for (let step = 4; step < 20; step++) assert.ok(learningRateAt(cosine, step + 1) <= learningRateAt(cosine, step))
})

test('schedule › constant keeps the peak after the warm-up', () => {
  const constant: Schedule = { ...cosine, kind: 'constant' }
  assert.deepEqual(
    [1, 5, 500].map((step) => learningRateAt(constant, step)),
    [0.5, 1, 1],
  )
})

test('schedule › without warm-up starts at the peak', () => {
  assert.equal(learningRateAt({ ...cosine, warmupSteps: 0 }, 0), 1)
})

test('duration › turns epochs and fractions of an epoch into steps, and takes steps as they are', () => {
  assert.equal(durationInSteps({ epochs: 3, steps: null }, 7, 'length'), 21)
  assert.equal(durationInSteps({ epochs: 0.5, steps: null }, 7, 'length'), 4)
  assert.equal(durationInSteps({ epochs: null, steps: 200 }, 7, 'length'), 200)
  assert.equal(durationInSteps({ epochs: null, steps: null }, 7, 'warm-up'), 0)
})

test('duration › refuses epochs and steps together', () => {
  assert.throws(
    () => durationInSteps({ epochs: 1, steps: 2 }, 7, 'length'),
    (error: unknown) => error instanceof ConfigError && /epochs=1 and steps=2/.test(error.message),
  )
})
