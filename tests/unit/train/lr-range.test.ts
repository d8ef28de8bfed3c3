import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LrRange, type LrRangeResult, type StepEvent, type TrainingControl } from '../../../src/train/index.ts'

/** Feeds losses that are a function of the rate; the rate is what the range test makes of it. */
function fed(
  loss: (rate: number) => number,
  { from = 1e-4, span = 1e5, steps = 101 } = {},
): { result: LrRangeResult; isOver: boolean; rates: number[] } {
  const range = new LrRange({ span, steps })
  let rate = from
  const control = { scaleLearningRate: (factor: number) => void (rate *= factor) } as TrainingControl
  const rates: number[] = []
  while (!range.isOver && rates.length < 1000) {
    rates.push(rate)
    range.onStepEnd({ loss: loss(rate), learningRate: rate } as StepEvent, control)
  }
  return { result: range.result, isOver: range.isOver, rates }
}

test('lr-find › the rates go from the first to the last by one factor', () => {
  const { rates, result } = fed(() => 2)
  assert.equal(rates.length, 101)
  assert.ok(Math.abs((rates.at(-1) ?? 0) / 10 - 1) < 1e-9)
  assert.ok(Math.abs((rates[50] ?? 0) / (1e-4 * Math.sqrt(1e5)) - 1) < 1e-9)
  assert.equal(result.steepest, null, 'a loss that never falls suggests nothing')
})

test('lr-find › the smoothed loss is the running mean without the weight of its beginning', () => {
  const losses = [3, 1, 2, 5]
  let next = 0
  const { result } = fed(() => losses[next++] ?? 0, { steps: 4 })
  // weights .1 · .9^k, divided by their sum 1 − .9^n, by hand
  const expected = [3, (0.9 * 3 + 1) / 1.9, (0.81 * 3 + 0.9 + 2) / 2.71, (0.729 * 3 + 0.81 + 0.9 * 2 + 5) / 3.439]
  for (const [i, { smoothed }] of result.points.entries()) assert.ok(Math.abs(smoothed - (expected[i] ?? 0)) < 1e-12)
})

test('lr-find › finds where a loss falls most steeply, in front of where it is lowest', () => {
  // falls as a sigmoid around 1e-2 in the logarithm of the rate, rises from 1 on
  const loss = (rate: number): number => 1 + 2 / (1 + (rate / 1e-2) ** 2) + (rate > 1 ? (rate - 1) * 3 : 0)
  const { steepest, lowest } = fed(loss).result
  assert.ok(steepest !== null && lowest !== null)
  // the running mean lags by up to ten steps: a factor of 3 at 101 steps over five decades
  assert.ok(steepest >= 1e-2 / 1.2 && steepest <= 1e-2 * 4, String(steepest))
  assert.ok(lowest > steepest && lowest < 3, String(lowest))
})

test('lr-find › ends where the loss diverges, also from near zero', () => {
  const { rates, isOver } = fed((rate) => (rate < 0.1 ? 2 : 1e6))
  assert.ok(isOver && rates.length < 101)
  assert.ok((rates.at(-1) ?? 0) < 0.2)
  // four times of a millionth is no divergence
  assert.equal(fed((rate) => (rate < 0.1 ? 1e-6 : 1e-5)).rates.length, 101)
})
