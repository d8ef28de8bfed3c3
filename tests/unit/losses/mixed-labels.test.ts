import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import {
  arcfaceLoss,
  crossEntropyLoss,
  dominantLabel,
  focalLoss,
  Margin,
  mixedLabelLoss,
  supconLoss,
} from '../../../src/losses/index.ts'

const LAMBDA = 0.3
const own = (): Tensor => torch.tensor(BigInt64Array.from([0n, 2n, 1n, 2n]))
const partner = (): Tensor => torch.tensor(BigInt64Array.from([2n, 1n, 0n, 2n]))
const labels = () => ({ own: own(), mixed: { partner: partner(), lambda: LAMBDA } })
const scores = (): Tensor =>
  torch.tensor(
    Float64Array.from({ length: 12 }, (_, i) => Math.sin(i * 1.7) * 0.9),
    { shape: [4, 3] },
  )
const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} against ${expected}`)

describe('mixed labels', () => {
  test('cross-entropy equals the loss against the mixed distribution, with smoothing too', () => {
    for (const labelSmoothing of [0, 0.1]) {
      const loss = mixedLabelLoss(labels(), (hard) => crossEntropyLoss(scores(), hard, { labelSmoothing })).item()
      const values = scores().data() as Float64Array
      let expected = 0
      ;[0, 2, 1, 2].forEach((a, i) => {
        const b = [2, 1, 0, 2][i]
        const row = [0, 1, 2].map((c) => values[i * 3 + c] as number)
        const logSum = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0))
        row.forEach((value, c) => {
          const hard = LAMBDA * (c === a ? 1 : 0) + (1 - LAMBDA) * (c === b ? 1 : 0)
          expected -= ((1 - labelSmoothing) * hard + labelSmoothing / 3) * (value - logSum)
        })
      })
      near(loss, expected / 4)
    }
  })

  test('a margin is put on both labels, each in its own term', () => {
    const options = { margin: 0.4, scale: 8, labelSmoothing: 0 }
    const loss = mixedLabelLoss(labels(), (hard) => arcfaceLoss(scores(), hard, options)).item()
    const values = scores().data() as Float64Array
    const term = (target: number[]): number => {
      let sum = 0
      target.forEach((t, i) => {
        const logits = [0, 1, 2].map((c) => {
          const cosine = values[i * 3 + c] as number
          if (c !== t) return 8 * cosine
          const angle = Math.acos(cosine)
          return angle < Math.PI - 0.4 ? 8 * Math.cos(angle + 0.4) : 8 * (cosine - 0.4 * Math.sin(Math.PI - 0.4))
        })
        sum += Math.log(logits.reduce((s, v) => s + Math.exp(v), 0)) - (logits[t] as number)
      })
      return sum / 4
    }
    near(loss, LAMBDA * term([0, 2, 1, 2]) + (1 - LAMBDA) * term([2, 1, 0, 2]))
  })

  test('λ = 1 and no mixing are the plain loss; the own label has the share λ, not 1 − λ', () => {
    const plain = (hard: Tensor): Tensor => crossEntropyLoss(scores(), hard, { labelSmoothing: 0 })
    const first = plain(own()).item()
    const second = plain(partner()).item()
    near(mixedLabelLoss({ own: own(), mixed: null }, plain).item(), first)
    near(mixedLabelLoss({ own: own(), mixed: { partner: partner(), lambda: 1 } }, plain).item(), first)
    near(mixedLabelLoss({ own: own(), mixed: { partner: partner(), lambda: 0 } }, plain).item(), second)
    near(mixedLabelLoss(labels(), plain).item(), LAMBDA * first + (1 - LAMBDA) * second)
  })

  const weights = (): Tensor => torch.tensor(Float64Array.from([1, 2, 0.5]))
  const kinds: Record<string, (scores: Tensor, hard: Tensor, shares: Tensor | null) => Tensor> = {
    'cross-entropy': (z, hard, shares) => crossEntropyLoss(z, hard, { labelSmoothing: 0 }, null, shares),
    smoothed: (z, hard, shares) => crossEntropyLoss(z, hard, { labelSmoothing: 0.1 }, null, shares),
    weighted: (z, hard, shares) => crossEntropyLoss(z, hard, { labelSmoothing: 0.1 }, weights(), shares),
    focal: (z, hard, shares) => focalLoss(z, hard, { gamma: 2, alpha: 0.5 }, weights(), shares),
  }
  for (const [name, lossOf] of Object.entries(kinds))
    test(`${name}: shares of each picture are its own λ; equal ones are the λ of the batch`, () => {
      const shareOf = [0.3, 1, 0.8, 0]
      const shares = (values: readonly number[]): Tensor => torch.tensor(Float64Array.from(values))
      const mixedBy = (values: readonly number[]): number =>
        mixedLabelLoss(
          { own: own(), mixed: { partner: partner(), lambda: LAMBDA, shares: shares(values) } },
          (hard, each) => lossOf(scores(), hard, each),
        ).item()
      near(mixedBy(Array(4).fill(LAMBDA)), mixedLabelLoss(labels(), (hard) => lossOf(scores(), hard, null)).item())
      // one picture after the other, the rest without a share
      const only = (values: readonly number[], row: number): Tensor => shares(values.map((v, i) => (i === row ? v : 0)))
      const expected = shareOf.reduce(
        (sum, _, row) =>
          sum +
          lossOf(scores(), own(), only(shareOf, row)).item() +
          lossOf(
            scores(),
            partner(),
            only(
              shareOf.map((v) => 1 - v),
              row,
            ),
          ).item(),
        0,
      )
      near(mixedBy(shareOf), expected)
    })

  test('shares of each picture decide its dominant label, and the curriculum’s t', () => {
    const shares = torch.tensor(Float64Array.from([0.3, 0.5, 0.8, 0]))
    const mixed = { own: own(), mixed: { partner: partner(), lambda: 0.9, shares } }
    assert.deepEqual(dominantLabel(mixed).toArray().map(Number), [2, 2, 1, 2])
    const margin = new Margin('curricularface', { margin: null, scale: 8, adafaceH: null, statisticsMomentum: 1 })
    margin.observe(scores(), mixed, scores())
    const values = scores().toArray()
    const cosine = (row: number, label: number): number => values[3 * row + label] ?? NaN
    const mean =
      [0.3, 0.5, 0.8, 0].reduce(
        (sum, share, i) =>
          sum + share * cosine(i, [0, 2, 1, 2][i] ?? 0) + (1 - share) * cosine(i, [2, 1, 0, 2][i] ?? 0),
        0,
      ) / 4
    assert.ok(Math.abs((margin.state().get('t')?.item() ?? NaN) - mean) < 1e-6)
    margin.dispose()
  })

  test('supervised contrast has the positives of either label', () => {
    const embeddings = torch.tensor(Float64Array.from([1, 0, 0, 1, 0.6, 0.8, -0.8, 0.6]), { shape: [4, 2] })
    const options = { temperature: 0.5, baseTemperature: null }
    const loss = (hard: Tensor): Tensor => supconLoss(embeddings, hard, options)
    near(mixedLabelLoss(labels(), loss).item(), LAMBDA * loss(own()).item() + (1 - LAMBDA) * loss(partner()).item())
  })
})
