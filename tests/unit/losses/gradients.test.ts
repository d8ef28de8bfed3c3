/** Every loss over class scores in float64 against finite differences, with all that may be given to it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Tensor } from '../../../src/binding/index.ts'
import {
  crossEntropyLoss,
  dkdLoss,
  focalLoss,
  kdLoss,
  Margin,
  marginKinds,
  mixedLabelLoss,
} from '../../../src/losses/index.ts'
import { float64, gradientError, int64, noise } from './helpers.ts'

const logits = noise(31, 20).map((value) => value * 3)
const own = (): Tensor => int64([0, 3, 2, 4])
const weights = (): Tensor => float64([1, 2, 0.5, 3, 0.1], [5])
const shares = (): Tensor => float64([0.3, 1, 0.75, 0], [4])
const mixtures = {
  'one λ': () => ({ own: own(), mixed: { partner: int64([1, 3, 0, 2]), lambda: 0.35 } }),
  'a λ for each picture': () => ({
    own: own(),
    mixed: { partner: int64([1, 3, 0, 2]), lambda: 0.35, shares: shares() },
  }),
}

function agrees(name: string, loss: (scores: Tensor) => Tensor, at: readonly number[] = logits): void {
  const error = gradientError(loss, at, [4, 5])
  assert.ok(error < 1e-7, `${name}: ${error}`)
}

test('gradients › cross-entropy and focal: smoothing, class weights, shares', () => {
  for (const labelSmoothing of [0, 0.1])
    for (const weighted of [null, weights])
      for (const shared of [null, shares])
        agrees(`cross-entropy ${labelSmoothing} ${weighted !== null} ${shared !== null}`, (z) =>
          crossEntropyLoss(z, own(), { labelSmoothing }, weighted?.() ?? null, shared?.() ?? null),
        )
  for (const gamma of [0, 0.5, 2])
    agrees(`focal ${gamma}`, (z) => focalLoss(z, own(), { gamma, alpha: 0.25 }, weights(), shares()))
})

test('gradients › of mixed labels: every margin, cross-entropy, the distillations', () => {
  const features = (): Tensor =>
    float64(
      noise(5, 24).map((value) => value * 9),
      [4, 6],
    )
  const cosines = noise(12, 20).map((value) => value * 0.9)
  for (const [mixture, labels] of Object.entries(mixtures)) {
    for (const kind of marginKinds) {
      const margin = new Margin(kind, { margin: 0.3, scale: 4, adafaceH: 0.5, statisticsMomentum: 0.5 })
      margin.observe(float64(cosines, [4, 5]), { own: own(), mixed: null }, features())
      agrees(
        `${kind}, ${mixture}`,
        (c) =>
          mixedLabelLoss(labels(), (hard, each) =>
            crossEntropyLoss(margin.logits(c, hard, features()), hard, { labelSmoothing: 0.1 }, weights(), each),
          ),
        cosines,
      )
      margin.dispose()
    }
    agrees(`cross-entropy, ${mixture}`, (z) =>
      mixedLabelLoss(labels(), (hard, each) => crossEntropyLoss(z, hard, { labelSmoothing: 0.1 }, null, each)),
    )
  }
  const teacher = (): Tensor => float64(noise(77, 20), [4, 5])
  agrees('kd', (z) => kdLoss(z, teacher(), { temperature: 3 }))
  agrees('dkd', (z) => dkdLoss(z, teacher(), own(), { temperature: 3, alpha: 1.5, beta: 4 }))
})
