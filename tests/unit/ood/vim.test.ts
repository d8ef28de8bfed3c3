import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { VimDetector, vimDimension, type DetectorInput, type VimOptions } from '../../../src/ood/index.ts'
import { ConfigError, DatasetError, ShapeError } from '../../../src/util/errors.ts'
import { assertNear, cases, inputsOf, type Case } from './features.ts'

const classifierOf = ({ weight, bias, features }: Case) => ({
  weight: { values: Float64Array.from(weight), columns: features },
  bias: Float64Array.from(bias),
})

async function scores(given: Case, options: VimOptions, change?: (row: number[]) => number[]): Promise<Float64Array> {
  const { train, test } = inputsOf(given, change)
  const detector = new VimDetector(options)
  await detector.fit(train)
  return detector.score(test)
}

/** Principal direction x; residual y of ±1 on training samples, whose largest logit is 6: α = 6. */
const toy = {
  labels: Int32Array.of(0, 0, 1, 1),
  logits: { values: Float64Array.of(6, 0, 6, 0, 0, 6, 0, 6), columns: 2 },
  features: { values: Float64Array.of(9, 1, 9, -1, -9, 1, -9, -1), columns: 2 },
}
const at = (features: number[], logits: number[]): DetectorInput => ({
  logits: { values: Float64Array.from(logits), columns: 2 },
  features: { values: Float64Array.from(features), columns: 2 },
})

describe('ViM', () => {
  it('is the log-sum-exp of the logits less α times the residual', async () => {
    const detector = new VimDetector()
    await detector.fit(toy)
    const found = await detector.score(at([5, 0, 5, 2, -70, -0.5], [0, 0, 0, 0, 3, 3]))
    assertNear(found, [Math.log(2), Math.log(2) - 12, 3 + Math.log(2) - 3], 1e-12)
  })

  it('takes features about the point where the classifier says nothing', async () => {
    // W = I, b = (0, 5): u = (0, −5). About it the training samples lie along (x, 5): y is 4 or 6, and x is the residual.
    const classifier = { weight: { values: Float64Array.of(1, 0, 0, 1), columns: 2 }, bias: Float64Array.of(0, 5) }
    const small = {
      ...toy,
      features: { values: toy.features.values.map((v, i) => (i % 2 === 0 ? v / 9 : v)), columns: 2 },
    }
    const detector = new VimDetector({ classifier })
    await detector.fit(small)
    assertNear(await detector.score(at([0, 0, 3, 7], [0, 0, 0, 0])), [Math.log(2), Math.log(2) - 6 * 3], 1e-9)
  })

  for (const given of cases)
    it(`equals numpy's: ${given.name}`, async () => {
      const classifier = classifierOf(given)
      assertNear(await scores(given, { classifier }), given.vim, 1e-8)
      const dimension = Math.floor(given.features / 3)
      assertNear(await scores(given, { classifier, dimension }), given.vimThird, 1e-8)
      assertNear(await scores(given, { normalize: true }), given.vimNormalized, 1e-8)
    })

  it('gives W·u + b = 0 at its origin where W has full row rank', () => {
    const { classes, features, weight, bias, neutralPoint } = cases[0]!
    for (let c = 0; c < classes; c++) {
      const sum = neutralPoint.reduce((total, value, i) => total + value * weight[c * features + i]!, bias[c]!)
      assert.ok(Math.abs(sum) < 1e-9)
    }
  })

  it('does not change when features and classifier turn together, nor with the unit of the features', async () => {
    const [given] = cases as [Case]
    const turn = (row: number[]): number[] => {
      const [a = 0, b = 0, ...rest] = row
      return [0.6 * a - 0.8 * b, 0.8 * a + 0.6 * b, ...rest].reverse()
    }
    const weight = Array.from({ length: given.classes }, (_, c) =>
      turn(given.weight.slice(c * given.features, (c + 1) * given.features)),
    ).flat()
    assertNear(await scores(given, { classifier: classifierOf({ ...given, weight }) }, turn), given.vim, 1e-8)
    const classifier = classifierOf({ ...given, weight: given.weight.map((value) => value / 1e-3) })
    assertNear(await scores(given, { classifier }, (row) => row.map((value) => value * 1e-3)), given.vim, 1e-8)
  })

  it('keeps half of few features, 512 of 768 or more, 1000 of 2048 or more', () => {
    assert.deepEqual([2, 5, 512, 767, 768, 1024, 2047, 2048, 4096].map(vimDimension), [
      ...[1, 2, 256, 383, 512, 512, 512, 1000, 1000],
    ])
  })

  it('halves the directions in which features vary where they are fewer than it would keep', async () => {
    const [given] = cases as [Case]
    const padded = (row: number[]): number[] => [...row, ...Array.from({ length: 10 }, () => 0)]
    const found = await scores(given, { dimension: 3 }, padded)
    assert.deepEqual(await scores(given, {}, padded), found)
    assert.ok(found.every(Number.isFinite))
  })

  it('refuses a dimension without a residual, and what it cannot work with', async () => {
    for (const dimension of [2, 5, 0]) await assert.rejects(new VimDetector({ dimension }).fit(toy), ConfigError)
    const flat = { ...toy, features: { values: toy.features.values.map((v, i) => (i % 2 === 0 ? v : 0)), columns: 2 } }
    for (const dimension of [1, null])
      await assert.rejects(new VimDetector({ dimension }).fit(flat), (error) => {
        return error instanceof DatasetError && /vary in 1 of 2 directions/.test(error.message)
      })
    const negative = { ...toy, logits: { values: toy.logits.values.map((v) => v - 9), columns: 2 } }
    await assert.rejects(new VimDetector().fit(negative), /positive on average, got -3/)
    await assert.rejects(new VimDetector().score(at([0, 0], [0, 0])), ConfigError)
    const wrong = { weight: { values: new Float64Array(6), columns: 3 }, bias: new Float64Array(2) }
    await assert.rejects(new VimDetector({ classifier: wrong }).fit(toy), ShapeError)
    const detector = new VimDetector()
    await detector.fit(toy)
    await assert.rejects(detector.score(at([0, 0, 1, 1], [0, 0])), ShapeError)
  })
})
