import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { torch } from '../../../src/binding/index.ts'
import { supconLoss, supconLossShape } from '../../../src/losses/index.ts'
import { ShapeError } from '../../../src/util/errors.ts'
import { float64, golden, gradientError, int64, largestDifference, noise, unitRows, withGradient } from './helpers.ts'

const a = [1, 0, 0, 0.8, 0.6, 0, 0, 1, 0, 0, 0.6, 0.8]
const b = [0.9, 0.1, 0, 0.7, 0.7, 0, 0.1, 0.9, 0.1, 0, 0.5, 0.9]
const twoViews = [...unitRows(a, 3), ...unitRows(b, 3)]
const labels = [0, 0, 1, 1, 0, 0, 1, 1]

/** Equation 2, one sample and one pair at a time. */
function slowSupcon(z: readonly number[][], y: readonly number[], temperature: number): number {
  const dot = (i: number, j: number): number => z[i]!.reduce((sum, value, d) => sum + value * z[j]![d]!, 0)
  const terms: number[] = []
  for (let i = 0; i < z.length; i++) {
    const others = z.map((_, j) => j).filter((j) => j !== i)
    const positives = others.filter((j) => y[j] === y[i])
    if (positives.length === 0) continue
    const logDenominator = Math.log(others.reduce((sum, j) => sum + Math.exp(dot(i, j) / temperature), 0))
    terms.push(positives.reduce((sum, p) => sum - (dot(i, p) / temperature - logDenominator), 0) / positives.length)
  }
  return terms.reduce((sum, term) => sum + term, 0) / terms.length
}

function rows(values: readonly number[], width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width))
}

function value(
  z: readonly number[],
  y: readonly number[],
  width: number,
  temperature = 0.1,
  baseTemperature: number | null = null,
): number {
  return torch.scope(() => supconLoss(float64(z, [y.length, width]), int64(y), { temperature, baseTemperature }).item())
}

test('supcon › gives log(N − 1) when every embedding is equal', () => {
  const z = Array.from({ length: 16 }, () => [0.6, 0.8]).flat()
  const y = [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]
  assert.ok(Math.abs(value(z, y, 2) - Math.log(15)) < 1e-12)
})

test('supcon › gives the values of the paper’s formula on a two-view batch', () => {
  for (const [temperature, expected] of [
    [0.07, 2.986907],
    [0.1, 2.23103],
    [0.5, 1.580652],
  ] as const)
    assert.ok(Math.abs(value(twoViews, labels, 3, temperature) - expected) < 1e-6, `T ${temperature}`)
  assert.ok(
    Math.abs(value(twoViews, labels, 3, 0.1, 0.07) - 3.187186) < 2e-6,
    'base temperature 0.07 scales by T / 0.07',
  )
})

test('supcon › equals pytorch-metric-learning in value and gradient', () => {
  const z = unitRows(noise(1, 40), 5)
  for (const { temperature, loss, gradient } of golden.supcon) {
    const ours = withGradient(
      (x) => supconLoss(x, int64(golden.labels), { temperature, baseTemperature: null }),
      z,
      [8, 5],
    )
    assert.ok(Math.abs(ours.loss - loss) < 1e-9, `T ${temperature}: ${ours.loss} and ${loss}`)
    assert.ok(largestDifference(ours.gradient, gradient) < 1e-9)
  }
})

test('supcon › equals the slow double loop, also where some anchors have no positive', () => {
  const z = unitRows(noise(7, 30), 5)
  for (const y of [
    [0, 0, 1, 1, 2, 2],
    [0, 0, 0, 1, 2, 2],
    [3, 1, 4, 1, 5, 9],
  ])
    assert.ok(Math.abs(value(z, y, 5) - slowSupcon(rows(z, 5), y, 0.1)) < 1e-10, y.join())
})

test('supcon › anchors without a positive are left out of the mean, not counted as zero', () => {
  const z = unitRows(noise(11, 20), 5)
  const withLonely = value(z, [0, 0, 1, 2], 5)
  assert.ok(Math.abs(withLonely - slowSupcon(rows(z, 5), [0, 0, 1, 2], 0.1)) < 1e-10)
})

test('supcon › is 0 with a zero gradient when no anchor has a positive', () => {
  const z = unitRows(noise(5, 15), 5)
  const { loss, gradient } = withGradient(
    (x) => supconLoss(x, int64([0, 1, 2]), { temperature: 0.1, baseTemperature: null }),
    z,
    [3, 5],
  )
  assert.ok(loss === 0)
  assert.deepEqual(gradient.map(Math.abs), Array(15).fill(0))
})

test('supcon › gradient agrees with finite differences', () => {
  const z = unitRows(noise(9, 30), 5)
  const error = gradientError(
    (x) => supconLoss(x, int64([0, 1, 0, 1, 2, 2]), { temperature: 0.2, baseTemperature: null }),
    z,
    [6, 5],
  )
  assert.ok(error < 1e-7, String(error))
})

test('supcon › stays finite at a temperature where exp would overflow float32', () => {
  const loss = torch.scope(() => {
    const z = torch.tensor(unitRows(noise(3, 20), 5), { shape: [4, 5] })
    return supconLoss(z, int64([0, 0, 1, 1]), { temperature: 0.005, baseTemperature: null }).item()
  })
  assert.ok(Number.isFinite(loss) && loss > 0)
})

test('supcon › refuses labels that were not repeated for each view, and a batch of one', () => {
  const call = (count: number, y: number[]) => () =>
    torch.scope(() =>
      supconLoss(float64(noise(1, count * 3), [count, 3]), int64(y), { temperature: 0.1, baseTemperature: null }),
    )
  assert.throws(
    call(4, [0, 1]),
    (error: unknown) => error instanceof ShapeError && /\[4, 3\] and \[2\]/.test(error.message),
  )
  assert.throws(call(1, [0]), ShapeError)
})

test('supcon › options refuse a temperature of 0', () => {
  const schema = z.strictObject(supconLossShape)
  assert.equal(schema.safeParse({ temperature: 0 }).success, false)
  assert.deepEqual(schema.parse({}), { temperature: 0.1, baseTemperature: null })
})
