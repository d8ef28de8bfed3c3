import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  durationInSteps,
  learningRateAt,
  plateauAfter,
  plateauStart,
  scalerAfter,
  scalerStart,
  scalerVerdict,
  type Schedule,
} from '../../../src/optim/index.ts'
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

const size = { stepsPerEpoch: 7, examplesPerStep: 50 }

test('duration › turns epochs and fractions of an epoch into steps, and takes steps as they are', () => {
  assert.equal(durationInSteps({ epochs: 3, steps: null }, size, 'length'), 21)
  assert.equal(durationInSteps({ epochs: 0.5, steps: null }, size, 'length'), 4)
  assert.equal(durationInSteps({ epochs: null, steps: 200 }, size, 'length'), 200)
  assert.equal(durationInSteps({ epochs: null, steps: null }, size, 'warm-up'), 0)
  assert.equal(durationInSteps({ epochs: null, steps: null, examples: 101 }, size, 'length'), 3)
})

test('duration › refuses epochs and steps together', () => {
  assert.throws(
    () => durationInSteps({ epochs: 1, steps: 2 }, size, 'length'),
    (error: unknown) => error instanceof ConfigError && /epochs=1 and steps=2/.test(error.message),
  )
})

const golden = JSON.parse(readFileSync(new URL('../../golden/schedules.json', import.meta.url), 'utf8')) as Record<
  Exclude<Schedule['kind'], 'constant' | 'plateau'>,
  number[]
> & { plateau: { losses: number[]; rates: number[] } }

test('schedule › every kind has the rates of its reference', () => {
  const common = { learningRate: 0.5, warmupSteps: 0, totalSteps: 20 }
  const schedules: Schedule[] = [
    { ...common, kind: 'step', finalFraction: 0, every: 6, factor: 0.3 },
    { ...common, kind: 'multistep', finalFraction: 0, milestones: [3, 11], factor: 0.2 },
    { ...common, kind: 'exponential', finalFraction: 0.01 },
    { ...common, kind: 'polynomial', finalFraction: 0, power: 2 },
    { ...common, kind: 'cosine', finalFraction: 0.1 },
    { ...common, kind: 'cosine_restarts', finalFraction: 0.1, cycle: 5, cycleMultiplier: 2, cycleDecay: 0.5 },
    // torch's total is one more than the steps that are made
    { ...common, kind: 'onecycle', totalSteps: 21, finalFraction: 0.01, riseFraction: 0.25, initialFraction: 0.05 },
  ]
  for (const schedule of schedules) {
    const expected = golden[schedule.kind as 'step']
    assert.equal(expected.length, 20)
    for (const [step, rate] of expected.entries())
      assert.ok(Math.abs(learningRateAt(schedule, step) - rate) < 1e-9, `${schedule.kind} at ${step}: ${rate}`)
  }
})

test('schedule › a warm-up leads to where each kind begins', () => {
  const schedule: Schedule = { ...cosine, kind: 'onecycle', warmupSteps: 4, initialFraction: 0.2, finalFraction: 0 }
  assert.ok(Math.abs(learningRateAt(schedule, 1) - 0.1) < 1e-9)
  assert.ok(Math.abs(learningRateAt(schedule, 4) - 0.2) < 1e-9)
  // cuts are counted from the first step of all
  const cut: Schedule = { ...cosine, kind: 'multistep', warmupSteps: 4, milestones: [6], factor: 0.1 }
  assert.deepEqual([learningRateAt(cut, 5), learningRateAt(cut, 6)], [1, 0.1])
})

test('plateau › cuts after its patience, goes no lower than its floor, and knows both directions', () => {
  const options = { factor: 0.5, patience: 1, threshold: 0.01, floor: 0.2 }
  let state = plateauStart
  const rates = golden.plateau.losses.map((loss) => {
    state = plateauAfter(state, loss, 'lower', options)
    return 0.5 * state.fraction
  })
  assert.deepEqual(rates, golden.plateau.rates)
  const rising = [0.5, 0.6, 0.6, 0.6].reduce((at, value) => plateauAfter(at, value, 'higher', options), plateauStart)
  assert.deepEqual(rising, { best: 0.6, waited: 0, fraction: 0.5 })
  assert.deepEqual(plateauAfter(plateauStart, NaN, 'lower', options), { best: null, waited: 1, fraction: 1 })
})

test('loss scaler › halves at an overflow, doubles after 2,000 good steps, and gives up in the end', () => {
  let state = scalerAfter(scalerStart, true)
  assert.deepEqual(state, { scale: 32768, good: 0, skipped: 1 })
  for (let i = 0; i < 2000; i++) state = scalerAfter(state, false)
  assert.deepEqual(state, { scale: 65536, good: 0, skipped: 0 })
  assert.equal(scalerVerdict(state), null)
  for (let i = 0; i < 16; i++) state = scalerAfter(state, true)
  assert.equal(scalerVerdict(state), null)
  assert.match(scalerVerdict(scalerAfter(state, true)) ?? '', /fell to 0\.5, below 1/)
  assert.match(scalerVerdict({ scale: 2 ** 80, good: 0, skipped: 50 }) ?? '', /50 steps in a row/)
})
