import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { contentShares } from '../../../src/losses/index.ts'
import { ShapeError } from '../../../src/util/errors.ts'
import { int64, noise } from './helpers.ts'

const partners = [2, 0, 1]

function sharesOf(maps: readonly number[], side: number, mask: readonly number[]): number[] {
  const size = Math.sqrt(mask.length)
  return torch.scope(() => {
    const own = torch.tensor(Uint8Array.from(mask), { shape: [size, size] }).to('bool')
    const activations = torch.tensor(Float32Array.from(maps), { shape: [3, side, side] })
    return contentShares(activations, own, int64(partners)).toArray()
  })
}

const near = (actual: readonly number[], expected: readonly number[]): void =>
  expected.forEach((value, i) =>
    assert.ok(Math.abs((actual[i] ?? NaN) - value) < 1e-6, `${actual.join()} and ${expected.join()}`),
  )

test('content shares › are those of a loop over places: own activation under the mask against the partner’s outside it', () => {
  const maps = noise(3, 48).map((value) => Math.max(0, value))
  // 8 × 8 pixels on 4 × 4 places: a place is kept by a quarter, a half …
  const mask = noise(8, 64).map((value) => (value > -0.2 ? 1 : 0))
  const kept = Array.from({ length: 16 }, (_, place) => {
    const [y, x] = [2 * Math.floor(place / 4), 2 * (place % 4)]
    return [0, 1, 8, 9].reduce((sum, offset) => sum + (mask[y * 8 + x + offset] ?? 0) / 4, 0)
  })
  const spread = [0, 1, 2].map((n) => {
    const map = maps.slice(16 * n, 16 * n + 16)
    const sum = map.reduce((total, value) => total + value, 0)
    return map.map((value) => value / sum)
  })
  const expected = partners.map((partner, n) => {
    const left = kept.reduce((sum, share, place) => sum + share * (spread[n]?.[place] ?? NaN), 0)
    const gained = kept.reduce((sum, share, place) => sum + (1 - share) * (spread[partner]?.[place] ?? NaN), 0)
    return left / (left + gained)
  })
  near(sharesOf(maps, 4, mask), expected)
})

test('content shares › a picture whose object was replaced loses its label, one whose object stayed keeps it', () => {
  const corner = [1, 0, 0, 0]
  const opposite = [0, 0, 0, 1]
  // of each picture the upper half stays; 0 gets the lower half of 2, 1 that of 0, 2 that of 1
  const mask = [1, 1, 0, 0]
  // the object of 0 is gone and that of 2 has come; of 1 both are there
  near(sharesOf([...opposite, ...corner, ...opposite], 2, mask).slice(0, 2), [0, 0.5])
  // the object of 1 stays and nothing has come; of 2 neither is there, and the area decides
  near(sharesOf([...corner, ...corner, ...opposite], 2, mask), [0.5, 1, 0.5])
})

test('content shares › even maps, and maps without activation, give the share of the area', () => {
  const mask = [1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1]
  near(sharesOf(Array(12).fill(0.3), 2, mask), [10 / 16, 10 / 16, 10 / 16])
  near(sharesOf(Array(12).fill(0), 2, mask), [10 / 16, 10 / 16, 10 / 16])
  assert.throws(
    () => torch.scope(() => contentShares(torch.zeros([3, 4]), torch.zeros([2, 2]), int64(partners))),
    ShapeError,
  )
})
