import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { crossEntropyLoss, kdLoss } from '../../../src/losses/index.ts'
import { ShapeError } from '../../../src/util/errors.ts'
import { float64, golden, gradientError, int64, largestDifference, noise, withGradient } from './helpers.ts'

const logits = noise(3, 32).map((value) => value * 5)
const teacher = noise(4, 32).map((value) => value * 5)
const student24 = [2, 1, 0.1, -1, 0, 0.5, 1.5, -0.2]
const teacher24 = [3, 0.5, 0.2, -2, 0.1, 0.2, 2.5, 0.3]

test('cross-entropy › equals torch in value and gradient, with and without label smoothing', () => {
  for (const { labelSmoothing, loss, gradient } of golden.crossEntropy) {
    const ours = withGradient((z) => crossEntropyLoss(z, int64(golden.labels), { labelSmoothing }), logits, [8, 4])
    assert.ok(Math.abs(ours.loss - loss) < 1e-12)
    assert.ok(largestDifference(ours.gradient, gradient) < 1e-12)
  }
})

test('cross-entropy › is log C on equal logits', () => {
  const loss = torch.scope(() =>
    crossEntropyLoss(float64(Array(10).fill(3), [1, 10]), int64([4]), { labelSmoothing: 0 }).item(),
  )
  assert.ok(Math.abs(loss - Math.log(10)) < 1e-12)
})

test('cross-entropy › stays finite on logits of 1e4', () => {
  const { loss, gradient } = withGradient(
    (z) => crossEntropyLoss(z, int64([1]), { labelSmoothing: 0.1 }),
    [1e4, -1e4, 0],
    [1, 3],
  )
  assert.ok(Number.isFinite(loss) && gradient.every(Number.isFinite))
})

test('cross-entropy › refuses logits and labels of different lengths', () => {
  assert.throws(
    () => torch.scope(() => crossEntropyLoss(float64(logits, [8, 4]), int64([0, 1]), { labelSmoothing: 0 })),
    ShapeError,
  )
})

test('kd › gives T² · KL of the worked example', () => {
  const loss = torch.scope(() =>
    kdLoss(float64(student24, [2, 4]), float64(teacher24, [2, 4]), { temperature: 4 }).item(),
  )
  assert.ok(Math.abs(loss - 0.207931) < 1e-6, String(loss))
})

test('kd › equals torch’s kl_div with batchmean in value and gradient', () => {
  for (const { temperature, loss, gradient } of golden.kd) {
    const ours = withGradient((z) => kdLoss(z, float64(teacher, [8, 4]), { temperature }), logits, [8, 4])
    assert.ok(Math.abs(ours.loss - loss) < 1e-12)
    assert.ok(largestDifference(ours.gradient, gradient) < 1e-12)
  }
})

test('kd › is 0 for a student that equals its teacher, and no gradient reaches the teacher', () => {
  torch.scope(() => {
    const own = float64(student24, [2, 4], true)
    assert.ok(Math.abs(kdLoss(own, own, { temperature: 4 }).item()) < 1e-15)
    const other = float64(teacher24, [2, 4], true)
    kdLoss(own, other, { temperature: 4 }).backward()
    assert.equal(other.grad, null)
    assert.notEqual(own.grad, null)
  })
})

test('kd › gradient agrees with finite differences', () => {
  const error = gradientError((z) => kdLoss(z, float64(teacher24, [2, 4]), { temperature: 4 }), student24, [2, 4])
  assert.ok(error < 1e-8, String(error))
})

test('kd › refuses a teacher of other classes', () => {
  assert.throws(
    () => torch.scope(() => kdLoss(float64(student24, [2, 4]), float64([1, 2, 3, 4], [2, 2]), { temperature: 4 })),
    (error: unknown) => error instanceof ShapeError && /\[2, 4\] and \[2, 2\]/.test(error.message),
  )
})
