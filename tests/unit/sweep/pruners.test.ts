import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  AshaPruner,
  HyperbandPruner,
  MedianPruner,
  NoPruner,
  PatientPruner,
  PercentilePruner,
  pruners,
  type Pruner,
  type Trial,
} from '../../../src/sweep/index.ts'
import { prunerSuite } from '../../../src/conformance/pruner-suite.ts'
import { completeTrial } from '../../../src/conformance/sampler-suite.ts'

prunerSuite('none', () => new NoPruner(), { prunes: false })
prunerSuite('median', () => new MedianPruner())
prunerSuite('percentile', () => new PercentilePruner())
prunerSuite('asha', () => new AshaPruner())
prunerSuite('hyperband', () => new HyperbandPruner())
prunerSuite('patient', () => new PatientPruner(new MedianPruner()))

const curve = (number: number, values: readonly number[], state: Trial['state'] = 'complete'): Trial => ({
  ...completeTrial(number, {}, [values.at(-1)!]),
  state,
  reports: values.map((value, i) => ({ step: i + 1, value })),
})
const stops = (pruner: Pruner, others: readonly Trial[], values: readonly number[]): boolean => {
  const trial = curve(others.length, values, 'running')
  return pruner.shouldPrune({ trial, history: [...others, trial], direction: 'minimize', seed: 0 })
}
const five = [1, 2, 3, 4, 5].map((value, number) => curve(number, [value * 10, value]))

describe('pruners', () => {
  it('are registered under their names', () => {
    for (const [name, create] of Object.entries(pruners)) assert.equal(create().name, name)
  })
})

describe('percentile pruner', () => {
  it('stops what is worse than the percentile at its step, by the best value so far', () => {
    // At step 2 the others have 1 … 5: the median is 3, the 25th percentile 2.
    assert.equal(stops(new MedianPruner(), five, [10, 3]), false)
    assert.equal(stops(new MedianPruner(), five, [10, 3.1]), true)
    assert.equal(stops(new MedianPruner(), five, [2.9, 100]), false)
    assert.equal(stops(new PercentilePruner({ percentile: 25 }), five, [10, 2.1]), true)
    assert.equal(stops(new PercentilePruner({ percentile: 25 }), five, [10, 2]), false)
  })

  it('waits for complete trials, for the warm-up, and for values at the step', () => {
    assert.equal(stops(new MedianPruner(), five.slice(1), [1000]), false)
    assert.equal(stops(new MedianPruner({ startupTrials: 4 }), five.slice(1), [1000]), true)
    assert.equal(stops(new MedianPruner({ warmupSteps: 2 }), five, [1000, 1000]), false)
    assert.equal(stops(new MedianPruner({ warmupSteps: 1 }), five, [1000, 1000]), true)
    assert.equal(stops(new MedianPruner(), five, [1000, 1000, 1000]), false)
    assert.equal(stops(new MedianPruner({ minTrials: 6 }), five, [1000]), false)
  })

  it('refuses options out of range', () => {
    assert.throws(() => new PercentilePruner({ percentile: 0 }), /0 < percentile ≤ 100, got 0/)
    assert.throws(() => new MedianPruner({ startupTrials: -1 }), /startupTrials/)
    assert.throws(() => new MedianPruner({ minTrials: 0 }), /minTrials/)
  })
})

describe('asha pruner', () => {
  const at = (values: readonly number[]): Trial[] =>
    values.map((value, number) => curve(number, new Array<number>(4).fill(value)))

  it('lets the best 1/factor of those at a rung go on, and judges at rungs alone', () => {
    const pruner = new AshaPruner({ reductionFactor: 4 })
    const seven = at([1, 2, 3, 4, 5, 6, 7])
    assert.equal(stops(pruner, seven, [1.5]), false) // second of eight, two go on
    assert.equal(stops(pruner, seven, [2.5]), true)
    assert.equal(stops(pruner, seven, [1.5, 100]), false) // step 2 is no rung
    assert.equal(stops(pruner, seven, [1.5, 100, 100, 100]), true) // step 4 is
    assert.equal(stops(pruner, at([1, 2]), [0.5]), false) // fewer than factor: the best one goes on
    assert.equal(stops(pruner, at([1, 2]), [1.5]), true)
  })

  it('begins at minResource · factor^minEarlyStoppingRate', () => {
    const others = at([1, 2, 3])
    assert.equal(stops(new AshaPruner({ minResource: 3 }), others, [9, 9]), false)
    assert.equal(stops(new AshaPruner({ minResource: 3 }), others, [9, 9, 9]), true)
    assert.equal(stops(new AshaPruner({ minEarlyStoppingRate: 1 }), others, [9, 9, 9]), false)
    assert.equal(stops(new AshaPruner({ minEarlyStoppingRate: 1 }), others, [9, 9, 9, 9]), true)
    assert.throws(() => new AshaPruner({ reductionFactor: 1 }), /reductionFactor/)
  })
})

describe('hyperband pruner', () => {
  it('puts trials into brackets by their budgets, always the same for a seed', () => {
    const pruner = new HyperbandPruner({ maxResource: 27 })
    const counts = [0, 0, 0, 0]
    for (let number = 0; number < 4000; number++) counts[pruner.bracketOf(number, 4, 7)]!++
    // ⌈4·27/4⌉, ⌈4·9/3⌉, ⌈4·3/2⌉, 4 of 49
    const expected = [27, 12, 6, 4].map((budget) => (budget / 49) * 4000)
    counts.forEach((count, i) => assert.ok(Math.abs(count - expected[i]!) < 120, String(counts)))
    assert.equal(pruner.bracketOf(5, 4, 7), new HyperbandPruner().bracketOf(5, 4, 7))
  })

  it('compares with trials of the same bracket alone', () => {
    const pruner = new HyperbandPruner({ maxResource: 9 })
    const brackets = Array.from({ length: 40 }, (_, number) => pruner.bracketOf(number, 3, 0))
    const own = brackets[39]!
    const others = (good: (bracket: number) => boolean): Trial[] =>
      brackets.slice(0, 39).map((bracket, number) => curve(number, new Array<number>(9).fill(good(bracket) ? 1 : 9)))
    const values = new Array<number>(3 ** own).fill(5)
    assert.equal(
      stops(
        pruner,
        others((bracket) => bracket === own),
        values,
      ),
      true,
    )
    assert.equal(
      stops(
        pruner,
        others((bracket) => bracket !== own),
        values,
      ),
      false,
    )
  })
})

describe('patient pruner', () => {
  it('lets a trial be while it gets better, then asks the other pruner', () => {
    const strict: Pruner = { name: 'strict', shouldPrune: () => true }
    const patient = new PatientPruner(strict, { patience: 2 })
    assert.equal(stops(patient, [], [5, 4]), false)
    assert.equal(stops(patient, [], [5, 6, 4.9]), false)
    assert.equal(stops(patient, [], [5, 6, 5]), true)
    assert.equal(stops(new PatientPruner(strict, { patience: 2, minDelta: 0.2 }), [], [5, 6, 4.9]), true)
    assert.equal(stops(new PatientPruner(new NoPruner(), { patience: 2 }), [], [5, 6, 7]), false)
    assert.equal(stops(new PatientPruner(null, { patience: 2 }), [], [5, 6, 7]), true)
    assert.throws(() => new PatientPruner(null, { patience: 0 }), /patience/)
  })
})
