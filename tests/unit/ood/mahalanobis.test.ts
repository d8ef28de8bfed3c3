import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MahalanobisDetector, type DetectorInput, type MahalanobisOptions } from '../../../src/ood/index.ts'
import { ConfigError, DatasetError, NonFiniteError, ShapeError } from '../../../src/util/errors.ts'
import { assertNear, cases, inputsOf, type Case } from './features.ts'

async function distances(given: Case, options: MahalanobisOptions = {}, change?: (row: number[]) => number[]) {
  const { train, test } = inputsOf(given, change)
  const detector = new MahalanobisDetector(options)
  await detector.fit(train)
  return (await detector.score(test)).map((score) => -score)
}

/** Class 0 at (0, 0), class 1 at (10, 0); variance 4 along x, 1 along y, about the means of the classes. */
const toy = {
  labels: Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1),
  logits: { values: new Float64Array(16), columns: 2 },
  features: {
    values: Float64Array.of(2, 1, 2, -1, -2, 1, -2, -1, 12, 1, 12, -1, 8, 1, 8, -1),
    columns: 2,
  },
}
const at = (...values: number[]): DetectorInput => ({
  logits: { values: new Float64Array(values.length), columns: 2 },
  features: { values: Float64Array.from(values), columns: 2 },
})

describe('Mahalanobis', () => {
  it('is the squared distance in standard deviations of the classes, to the nearest mean', async () => {
    const detector = new MahalanobisDetector()
    await detector.fit(toy)
    const scores = await detector.score(at(0, 0, 2, 0, 0, 3, 10, 2, 6, 0, 5, 0))
    assertNear(
      scores.map((score) => -score),
      [0, 1, 9, 4, 4, 25 / 4],
      1e-7,
    )
  })

  it('less the distance to one Gaussian of all: at the global mean its own distance, whatever the classes', async () => {
    const detector = new MahalanobisDetector({ relative: true })
    await detector.fit(toy)
    // All: mean (5, 0), variance 4 + 25 along x and 1 along y.
    assertNear(await detector.score(at(5, 0, 0, 0, 0, 3)), [-25 / 4, 25 / 29, -9 + (25 / 29 + 9)], 1e-6)
  })

  for (const given of cases)
    it(`equals scikit-learn's covariances: ${given.name}`, async () => {
      assertNear(await distances(given), given.mahalanobis, 1e-5)
      assertNear(await distances(given, { normalize: true }), given.mahalanobisNormalized, 1e-5)
      // the difference of two distances near 30
      assertNear(await distances(given, { relative: true }), given.mahalanobisRelative, 1e-4)
      assertNear(await distances(given, { relative: true, normalize: true }), given.mahalanobisRelativeNormalized, 1e-5)
    })

  it('does not change under an invertible linear map of the features, a shift, or another unit', async () => {
    const [given] = cases as [Case]
    const map = (row: number[]): number[] => row.map((value, i) => 2 * value - row[(i + 1) % row.length]! + 0.3 * i)
    assertNear(await distances(given, {}, map), given.mahalanobis, 1e-5)
    for (const unit of [1e-3, 1e-12, 1e9])
      assertNear(await distances(given, {}, (row) => row.map((value) => value * unit)), given.mahalanobis, 1e-6)
    // Far from 0, where a covariance from plain sums of squares would have lost its digits.
    assertNear(await distances(given, {}, (row) => row.map((value) => value + 1e5)), given.mahalanobis, 1e-4)
  })

  it('of features of length 1 does not change with the length of each', async () => {
    const [given] = cases as [Case]
    let row = 0
    const longer = (values: number[]): number[] => values.map((value) => value * (1 + (row++ % 7)))
    const rows = (values: number[]): number[] => {
      row = Math.round(Math.abs(values[0]!) * 1e4)
      const factor = 1 + (row % 7)
      return values.map((value) => value * factor)
    }
    assert.notDeepEqual(await distances(given, {}, longer), await distances(given))
    assertNear(await distances(given, { normalize: true }, rows), given.mahalanobisNormalized, 1e-6)
  })

  it('keeps directions that never varied: what moves there is far, and the others count as without them', async () => {
    const [given] = cases as [Case]
    assertNear(await distances(given, {}, (row) => [...row, 3]), given.mahalanobis, 1e-6)
    const { train, test } = inputsOf(given, (row) => [...row, 3])
    const detector = new MahalanobisDetector()
    await detector.fit(train)
    const off = inputsOf(given, (row) => [...row, 4]).test
    const [near, far] = [await detector.score(test), await detector.score(off)]
    far.forEach((score, i) => assert.ok(score < near[i]! - 1e3))
  })

  it('refuses what it cannot work with, by name', async () => {
    const detector = new MahalanobisDetector()
    await assert.rejects(detector.score(at(0, 0)), ConfigError)
    await assert.rejects(detector.fit({ labels: toy.labels, logits: toy.logits }), ShapeError)
    await assert.rejects(detector.fit({ ...toy, labels: Int32Array.of(0, 1) }), ShapeError)
    await assert.rejects(detector.fit({ ...toy, labels: toy.labels.map((label) => label + 1) }), DatasetError)
    const one = {
      labels: Int32Array.of(0, 1),
      logits: toy.logits,
      features: { values: Float64Array.of(1, 2, 3, 4), columns: 2 },
    }
    await assert.rejects(detector.fit(one), /vary within the classes/)
    const nan = { ...toy, features: { values: toy.features.values.map((v, i) => (i === 3 ? NaN : v)), columns: 2 } }
    await assert.rejects(detector.fit(nan), NonFiniteError)
    await detector.fit(toy)
    await assert.rejects(
      detector.score({ logits: toy.logits, features: { values: new Float64Array(3), columns: 3 } }),
      ShapeError,
    )
  })
})
