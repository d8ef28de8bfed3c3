import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import {
  classWeights,
  classWeightsSchema,
  crossEntropyLoss,
  dkdLoss,
  dominantLabel,
  embeddingLoss,
  focalLoss,
  hintLoss,
  kdLoss,
} from '../../../src/losses/index.ts'
import { ConfigError, ShapeError } from '../../../src/util/errors.ts'
import { float64, gradientError, int64, largestDifference, noise, withGradient } from './helpers.ts'

interface Case {
  readonly loss: number
  readonly gradient: number[]
}

const golden = JSON.parse(readFileSync(new URL('../../golden/label_losses.json', import.meta.url), 'utf8')) as {
  labels: number[]
  weights: number[]
  weighted: (Case & { labelSmoothing: number })[]
  focal: (Case & { gamma: number; alpha: number; weighted: boolean })[]
  focalPeer: { logits: number[]; labels: number[]; gamma: number; loss: number }
  dkd: (Case & { alpha: number; beta: number; temperature: number })[]
  hint: Case
  embedding: Case
}

const logits = noise(3, 32).map((value) => value * 5)
const teacher = noise(4, 32).map((value) => value * 5)
const features = noise(5, 48).map((value) => value * 3)
const targets = noise(6, 48).map((value) => value * 3)
const labels = (): Tensor => int64(golden.labels)
const weights = (): Tensor => float64(golden.weights, [4])

function agrees(ours: Case, { loss, gradient }: Case, tolerance: number = 1e-12): void {
  assert.ok(Math.abs(ours.loss - loss) < tolerance, `${ours.loss} and ${loss}`)
  assert.ok(largestDifference(ours.gradient, gradient) < tolerance)
}

test('class weights › equal torch’s weighted cross-entropy, with and without label smoothing', () => {
  for (const { labelSmoothing, ...expected } of golden.weighted)
    agrees(
      withGradient((z) => crossEntropyLoss(z, labels(), { labelSmoothing }, weights()), logits, [8, 4]),
      expected,
    )
})

test('class weights › all 1 change nothing, and a batch of one class is not weighed', () => {
  torch.scope(() => {
    const z = float64(logits, [8, 4])
    const plain = crossEntropyLoss(z, labels(), { labelSmoothing: 0.1 }).item()
    const ones = crossEntropyLoss(z, labels(), { labelSmoothing: 0.1 }, float64([1, 1, 1, 1], [4])).item()
    assert.ok(Math.abs(plain - ones) < 1e-12)
    const same = int64(Array(8).fill(1))
    const [a, b] = [null, weights()].map((w) => crossEntropyLoss(z, same, { labelSmoothing: 0 }, w).item())
    assert.ok(Math.abs(a! - b!) < 1e-12)
    // class 3 has weight 0
    const none = crossEntropyLoss(z, int64(Array(8).fill(3)), { labelSmoothing: 0 }, weights()).item()
    assert.ok(Math.abs(none) < 1e-12, String(none))
  })
})

test('class weights › balanced gives each class the same share of the training images', () => {
  const balanced = classWeights('balanced', [0, 0, 0, 1, 3, 3], 4, ['train', 'classWeights'])
  assert.deepEqual(balanced, [6 / 9, 2, 0, 1])
  assert.equal(classWeights(null, [0, 1], 2, []), null)
})

test('class weights › refuse another number of classes, only zeros, a negative weight and other words', () => {
  const option = ['train', 'classWeights']
  assert.throws(
    () => classWeights([1, 2], [0, 1, 2], 3, option),
    (error: unknown) =>
      error instanceof ConfigError && /train\.class_weights: expected .* 3 classes, got 2/.test(error.message),
  )
  assert.throws(() => classWeights([0, 0], [0, 1], 2, option), ConfigError)
  for (const wrong of [[-1, 1], 'even', []]) assert.equal(classWeightsSchema.safeParse(wrong).success, false)
})

test('focal › equals the formula in value and gradient, with class weights too', () => {
  for (const { gamma, alpha, weighted, ...expected } of golden.focal)
    agrees(
      withGradient((z) => focalLoss(z, labels(), { gamma, alpha }, weighted ? weights() : null), logits, [8, 4]),
      expected,
      1e-10,
    )
})

test('focal › of two classes is torchvision’s sigmoid focal loss, and of γ = 0 cross-entropy', () => {
  torch.scope(() => {
    const peer = golden.focalPeer
    const ours = focalLoss(float64(peer.logits, [8, 2]), int64(peer.labels), { gamma: peer.gamma, alpha: 1 }).item()
    assert.ok(Math.abs(ours - peer.loss) < 1e-12)
    const z = float64(logits, [8, 4])
    const plain = crossEntropyLoss(z, labels(), { labelSmoothing: 0 }).item()
    assert.ok(Math.abs(focalLoss(z, labels(), { gamma: 0, alpha: 1 }).item() - plain) < 1e-12)
  })
})

test('focal › gradient agrees with finite differences and stays finite where p = 1, for γ below 1 too', () => {
  const error = gradientError((z) => focalLoss(z, labels(), { gamma: 1.5, alpha: 0.5 }), logits, [8, 4])
  assert.ok(error < 1e-7, String(error))
  for (const gamma of [0.3, 1, 2])
    torch.scope(() => {
      const z = torch.tensor([1e4, -1e4, 0, 20, 0, 0], { shape: [2, 3], requiresGrad: true })
      const loss = focalLoss(z, int64([0, 0]), { gamma, alpha: 1 })
      loss.backward()
      assert.ok(Number.isFinite(loss.item()) && z.grad!.toArray().every(Number.isFinite))
    })
})

test('dkd › equals mdistiller’s loss in value and gradient', () => {
  for (const { alpha, beta, temperature, ...expected } of golden.dkd)
    agrees(
      withGradient((z) => dkdLoss(z, float64(teacher, [8, 4]), labels(), { alpha, beta, temperature }), logits, [8, 4]),
      expected,
      1e-10,
    )
})

test('dkd › gives the worked example, and KD = TCKD + (1 − p) · NCKD row by row', () => {
  const student24 = [2, 1, 0.1, -1, 0, 0.5, 1.5, -0.2]
  const teacher24 = [3, 0.5, 0.2, -2, 0.1, 0.2, 2.5, 0.3]
  const row = (values: number[], i: number): Tensor => float64(values.slice(4 * i, 4 * i + 4), [1, 4])
  torch.scope(() => {
    const all = dkdLoss(float64(student24, [2, 4]), float64(teacher24, [2, 4]), int64([0, 2]), {
      temperature: 4,
      alpha: 1,
      beta: 8,
    }).item()
    assert.ok(Math.abs(all - 0.7352) < 1e-6, String(all))
    const expected = [
      { target: 0.014813, others: 0.005523, identity: 0.017953 },
      { target: 0.005919, others: 0.003373, identity: 0.008038 },
    ]
    for (const [i, label] of [0, 2].entries()) {
      const part = (alpha: number, beta: number): number =>
        dkdLoss(row(student24, i), row(teacher24, i), int64([label]), { temperature: 4, alpha, beta }).item() / 16
      assert.ok(Math.abs(part(1, 0) - expected[i]!.target) < 1e-6)
      assert.ok(Math.abs(part(0, 1) - expected[i]!.others) < 1e-6)
      const soft = teacher24.slice(4 * i, 4 * i + 4).map((z) => Math.exp(z / 4))
      const p = soft[label]! / soft.reduce((a, b) => a + b)
      const kd = kdLoss(row(student24, i), row(teacher24, i), { temperature: 4 }).item() / 16
      assert.ok(Math.abs(part(1, 0) + (1 - p) * part(0, 1) - kd) < 1e-12)
      assert.ok(Math.abs(kd - expected[i]!.identity) < 1e-6)
    }
  })
})

test('dkd › stays finite where a class has all the probability, and its gradient agrees with finite differences', () => {
  const options = { temperature: 4, alpha: 1, beta: 8 }
  const error = gradientError((z) => dkdLoss(z, float64(teacher, [8, 4]), labels(), options), logits, [8, 4])
  assert.ok(error < 1e-6, String(error))
  torch.scope(() => {
    const sure = torch.tensor([4000, -4000, 0, 0, 9000, 1], { shape: [2, 3], requiresGrad: true })
    const loss = dkdLoss(sure, torch.tensor([5000, 0, 0, 9000, 0, 0], { shape: [2, 3] }), int64([0, 2]), options)
    loss.backward()
    assert.ok(Number.isFinite(loss.item()) && sure.grad!.toArray().every(Number.isFinite))
  })
})

test('dkd › no gradient reaches the teacher; other shapes, other labels and a single class are refused', () => {
  torch.scope(() => {
    const options = { temperature: 4, alpha: 1, beta: 8 }
    const other = float64(teacher, [8, 4], true)
    dkdLoss(float64(logits, [8, 4], true), other, labels(), options).backward()
    assert.equal(other.grad, null)
    const wrong = [
      () => dkdLoss(float64(logits, [8, 4]), float64(teacher, [16, 2]), labels(), options),
      () => dkdLoss(float64(logits, [8, 4]), float64(teacher, [8, 4]), int64([0]), options),
      () => dkdLoss(float64([1, 2], [2, 1]), float64([1, 2], [2, 1]), int64([0, 0]), options),
    ]
    for (const call of wrong) assert.throws(call, ShapeError)
  })
})

test('dkd › of mixed labels takes the dominant one', () => {
  torch.scope(() => {
    const [own, partner] = [labels(), int64([1, 1, 1, 1, 1, 1, 1, 1])]
    assert.equal(dominantLabel({ own, mixed: null }), own)
    assert.equal(dominantLabel({ own, mixed: { partner, lambda: 0.5 } }), own)
    assert.equal(dominantLabel({ own, mixed: { partner, lambda: 0.49 } }), partner)
  })
})

test('hints and embeddings › equal torch’s mse and cosine distance in value and gradient', () => {
  const teacherFeatures = (): Tensor => float64(targets, [8, 6])
  agrees(
    withGradient((f) => hintLoss(f, teacherFeatures()), features, [8, 6]),
    golden.hint,
  )
  agrees(
    withGradient((f) => embeddingLoss(f, teacherFeatures()), features, [8, 6]),
    golden.embedding,
  )
  assert.ok(gradientError((f) => embeddingLoss(f, teacherFeatures()), features, [8, 6]) < 1e-8)
  assert.ok(gradientError((f) => hintLoss(f, teacherFeatures()), features, [8, 6]) < 1e-8)
})

test('embeddings › the length does not count; a zero row is finite; other widths are refused', () => {
  torch.scope(() => {
    const f = float64(features, [8, 6])
    assert.ok(Math.abs(embeddingLoss(f, torch.ops.mul(f, 7)).item()) < 1e-12)
    const zero = float64(Array(6).fill(0), [1, 6], true)
    const loss = embeddingLoss(zero, float64(targets.slice(0, 6), [1, 6]))
    loss.backward()
    assert.ok(Math.abs(loss.item() - 1) < 1e-12 && zero.grad!.toArray().every(Number.isFinite))
    for (const call of [embeddingLoss, hintLoss])
      assert.throws(
        () => call(f, float64(targets, [12, 4])),
        (error: unknown) => error instanceof ShapeError && /\[8, 6\] and \[12, 4\]/.test(error.message),
      )
  })
})
