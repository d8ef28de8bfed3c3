import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mixImages, unmixTokens } from '../../../src/augment/index.ts'
import type { MixMethod } from '../../../src/augment/index.ts'
import { torch, type Tensor } from '../../../src/binding/index.ts'

const COUNT = 6
const SIDE = 32
/** Picture i is i everywhere, so that every pixel tells whose it is. */
function pictures(): Tensor {
  const values = Float32Array.from({ length: COUNT * 3 * SIDE * SIDE }, (_, k) => Math.floor(k / (3 * SIDE * SIDE)) + 1)
  return torch.tensor(values, { shape: [COUNT, 3, SIDE, SIDE] })
}
const key = { seed: 3, epoch: 1, sample: 17 }
const mix = (method: MixMethod, o: { alpha?: number; views?: number; sample?: number } = {}) => {
  const { alpha = 1, views = 1, sample = 17 } = o
  const { images, partners, lambda } = mixImages(pictures(), { method, alpha, views }, { ...key, sample })
  return {
    lambda,
    partners: Array.from(partners.data() as BigInt64Array, Number),
    values: images.data() as Float32Array,
  }
}
const pixels = 3 * SIDE * SIDE

describe('mixing of pictures', () => {
  test('mixup is λ of a picture and 1 − λ of its partner, λ from Beta(α, α)', () => {
    const { lambda, partners, values } = mix('mixup')
    assert.deepEqual([...partners].sort(), [0, 1, 2, 3, 4, 5])
    values.forEach((value, k) => {
      const i = Math.floor(k / pixels)
      assert.ok(Math.abs(value - (lambda * (i + 1) + (1 - lambda) * ((partners[i] as number) + 1))) < 1e-5)
    })
    const drawn = (alpha: number): number[] =>
      Array.from({ length: 400 }, (_, sample) => mix('mixup', { alpha, sample }).lambda)
    const spread = (lambdas: number[]): number => lambdas.reduce((sum, l) => sum + (l - 0.5) ** 2, 0) / lambdas.length
    // the variance of Beta(α, α) is 1 / (4 (2α + 1))
    for (const alpha of [0.2, 1, 4]) {
      const expected = 1 / (4 * (2 * alpha + 1))
      const measured = spread(drawn(alpha))
      assert.ok(Math.abs(measured / expected - 1) < 0.2, `α ${alpha}: ${measured}, expected ${expected}`)
    }
  })

  for (const method of ['cutmix', 'fmix', 'tokenmix'] as const)
    test(`${method}: every pixel is the own or the partner's, in the same places in all, and λ is the own share`, () => {
      for (let sample = 0; sample < 20; sample++) {
        const { lambda, partners, values } = mix(method, { sample })
        const own = (i: number, p: number): boolean => values[i * pixels + p] === i + 1
        const moved = partners.findIndex((partner, i) => partner !== i)
        let count = 0
        for (let p = 0; p < pixels; p++) {
          if (own(moved, p)) count++
          partners.forEach((partner, i) => {
            const expected = own(moved, p) ? i + 1 : partner + 1
            assert.equal(values[i * pixels + p], expected)
          })
        }
        assert.ok(Math.abs(count / pixels - lambda) < 1e-6, `${count / pixels} against λ ${lambda}`)
      }
    })

  test('cutmix: λ is what the clipped box leaves, not what was drawn', () => {
    const lambdas = Array.from({ length: 200 }, (_, sample) => mix('cutmix', { sample }).lambda)
    assert.ok(lambdas.every((lambda) => Number.isInteger(Math.round(lambda * SIDE * SIDE * 1e6) / 1e6)))
    // clipping leaves more than the mean ½ of Beta(1, 1)
    assert.ok(lambdas.reduce((a, b) => a + b) / lambdas.length > 0.55)
  })

  test('tokenmix exchanges half of the tokens, in whole tokens of 16 pixels', () => {
    for (let sample = 0; sample < 10; sample++) assert.equal(mix('tokenmix', { sample }).lambda, 0.5)
  })

  test('fmix areas hang together: far fewer changes along a row than in noise', () => {
    const { values, partners } = mix('fmix', { sample: 5 })
    const i = partners.findIndex((partner, row) => partner !== row)
    let changes = 0
    for (let p = 1; p < SIDE * SIDE; p++) if (values[i * pixels + p] !== values[i * pixels + p - 1]) changes++
    assert.ok(changes < 200, `${changes} changes; noise has about 512 λ (1 − λ) · 4`)
  })

  test('cutout keeps the labels', () => {
    const { lambda, values } = mix('cutout', { sample: 2 })
    assert.equal(lambda, 1)
    assert.ok(values.some((value) => value === 0))
  })

  test('is the same for the same key and another for another; views are mixed alike', () => {
    assert.deepEqual(mix('cutmix'), mix('cutmix'))
    assert.notDeepEqual(mix('cutmix').values, mix('cutmix', { sample: 18 }).values)
    const { partners } = mix('mixup', { views: 2 })
    assert.deepEqual(
      partners.slice(3),
      partners.slice(0, 3).map((partner) => partner + 3),
    )
  })

  test('unmixing brings the outputs of exchanged tokens home', () => {
    const own = torch.tensor(Uint8Array.from([1, 0, 0, 1]), { shape: [4] }).to('bool')
    const partners = torch.tensor(BigInt64Array.from([2n, 0n, 1n]))
    const tokens = torch.tensor(
      Float32Array.from({ length: 24 }, (_, k) => k),
      { shape: [3, 4, 2] },
    )
    const { ops } = torch
    const mixed = ops.where(ops.reshape(own, [1, 4, 1]), tokens, ops.indexSelect(tokens, 0, partners))
    assert.notDeepEqual(mixed.data(), tokens.data())
    assert.deepEqual(unmixTokens(mixed, own, partners).data(), tokens.data())
  })
})
