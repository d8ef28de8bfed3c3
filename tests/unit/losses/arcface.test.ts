import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { arcfaceLogits, arcfaceLoss, cosineLogits } from '../../../src/losses/index.ts'
import { ShapeError } from '../../../src/util/errors.ts'
import { float64, golden, gradientError, int64, largestDifference, noise, unitRows, withGradient } from './helpers.ts'

const x = unitRows([3, 1, 0.5, 0.2, 0.9, -0.4, -1, 0.3, -2], 3)
const w = unitRows([1, 0.2, 0, 0, 1, 0.3, 0.2, 0, 1], 3)

/** cos θ of each row of x with each row of w. */
const cosines = Array.from({ length: 9 }, (_, i) => {
  const [row, column] = [Math.floor(i / 3), i % 3]
  return [0, 1, 2].reduce((sum, d) => sum + x[row * 3 + d]! * w[column * 3 + d]!, 0)
})

function logits(cosine: readonly number[], labels: readonly number[], margin: number, scale: number): number[] {
  return torch.scope(() =>
    arcfaceLogits(float64(cosine, [labels.length, cosine.length / labels.length]), int64(labels), {
      margin,
      scale,
    }).toArray(),
  )
}

test('arcface › gives the target logits and losses of the worked example', () => {
  const all = logits(cosines, [0, 1, 2], 0.5, 30)
  const targets = [all[0]!, all[4]!, all[8]!]
  assert.ok(largestDifference(targets, [22.948735, 9.951838, -35.877276]) < 1e-5, targets.join())
  const losses = [0, 1, 2].map((row) =>
    torch.scope(() =>
      arcfaceLoss(float64(cosines.slice(row * 3, row * 3 + 3), [1, 3]), int64([row]), {
        margin: 0.5,
        scale: 30,
        labelSmoothing: 0,
      }).item(),
    ),
  )
  assert.ok(Math.abs(losses[0]! - 5.93e-6) < 1e-8)
  assert.ok(Math.abs(losses[1]! - 1.441303) < 1e-5)
  assert.ok(Math.abs(losses[2]! - 32.056552) < 1e-5)
})

test('arcface › changes the target column alone', () => {
  const all = logits(cosines, [0, 1, 2], 0.5, 30)
  for (let i = 0; i < 9; i++) if (i % 4 !== 0) assert.ok(Math.abs(all[i]! - 30 * cosines[i]!) < 1e-9)
})

test('arcface › uses cos θ − m·sin m past θ = π − m, with the jump of the authors’ code', () => {
  const edge = Math.cos(Math.PI - 0.5)
  const [before] = logits([edge + 1e-9, 0], [0], 0.5, 1)
  const [after] = logits([edge - 1e-9, 0], [0], 0.5, 1)
  assert.ok(Math.abs(before! + 1) < 1e-4)
  assert.ok(Math.abs(after! - (edge - 0.5 * Math.sin(0.5))) < 1e-6)
  assert.ok(Math.abs(after! + 1.117296) < 1e-5)
})

test('arcface › equals the acos form in value and gradient', () => {
  const cosine = noise(2, 32).map((value) => value * 0.999)
  for (const { loss, gradient, ...options } of golden.arcface) {
    const ours = withGradient((c) => arcfaceLoss(c, int64(golden.labels), options), cosine, [8, 4])
    assert.ok(Math.abs(ours.loss - loss) < 1e-9, `${ours.loss} and ${loss}`)
    assert.ok(largestDifference(ours.gradient, gradient) < 1e-8)
  }
})

test('arcface › gradient agrees with finite differences', () => {
  const cosine = noise(21, 12).map((value) => value * 0.9)
  const options = { margin: 0.5, scale: 30, labelSmoothing: 0.05 }
  const error = gradientError((c) => arcfaceLoss(c, int64([0, 1, 2, 0]), options), cosine, [4, 3])
  assert.ok(error < 1e-5, String(error))
})

test('arcface › gradient stays finite at cos θ = 1 and −1, where that of acos is infinite', () => {
  for (const extreme of [1, -1]) {
    const { loss, gradient } = withGradient(
      (c) => arcfaceLoss(c, int64([0]), { margin: 0.5, scale: 64, labelSmoothing: 0 }),
      [extreme, 0.1, -0.2],
      [1, 3],
    )
    assert.ok(Number.isFinite(loss) && gradient.every(Number.isFinite), `${extreme}: ${gradient.join()}`)
  }
})

test('arcface › a margin of 0 is the plain scaled cosine', () => {
  assert.ok(
    largestDifference(
      logits(cosines, [0, 1, 2], 0, 30),
      cosines.map((c) => 30 * c),
    ) < 1e-9,
  )
})

test('arcface › computes in float32 when the cosines are bfloat16', () => {
  torch.scope(() => {
    const low = torch.tensor(cosines, { shape: [3, 3] }).to('bfloat16')
    assert.equal(arcfaceLogits(low, int64([0, 1, 2]), { margin: 0.5, scale: 30 }).dtype, 'float32')
    assert.equal(cosineLogits(low, 30).dtype, 'float32')
  })
})

test('arcface › evaluation logits carry no margin', () => {
  const plain = torch.scope(() => cosineLogits(float64(cosines, [3, 3]), 30).toArray())
  assert.ok(
    largestDifference(
      plain,
      cosines.map((c) => 30 * c),
    ) < 1e-12,
  )
})

test('arcface › refuses labels of another length', () => {
  assert.throws(
    () =>
      logits(cosines, [0], 0.5, 30).length &&
      torch.scope(() => arcfaceLogits(float64(cosines, [3, 3]), int64([0, 1]), { margin: 0.5, scale: 30 })),
    ShapeError,
  )
})
