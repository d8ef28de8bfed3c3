import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { permutation, philox4x32, Rng } from '../../../src/util/rng.ts'

describe('rng', () => {
  // Known answers of the authors' Random123 distribution (kat_vectors, "philox4x32 10").
  it("gives the authors' known answers", () => {
    const ones = 0xffffffff
    assert.deepEqual(philox4x32([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
    assert.deepEqual(
      philox4x32([ones, ones, ones, ones], [ones, ones]),
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    )
    assert.deepEqual(
      philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    )
  })

  it('multiplies as 64-bit integers do', () => {
    const reference = (counter: bigint[], key: bigint[]): bigint[] => {
      let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint]
      let [k0, k1] = key as [bigint, bigint]
      const mask = 0xffffffffn
      for (let round = 0; round < 10; round++) {
        const first = 0xd2511f53n * c0
        const second = 0xcd9e8d57n * c2
        ;[c0, c1, c2, c3] = [(second >> 32n) ^ c1 ^ k0, second & mask, (first >> 32n) ^ c3 ^ k1, first & mask]
        k0 = (k0 + 0x9e3779b9n) & mask
        k1 = (k1 + 0xbb67ae85n) & mask
      }
      return [c0, c1, c2, c3]
    }
    const rng = new Rng({ seed: 5 })
    for (let i = 0; i < 300; i++) {
      const words = Array.from({ length: 6 }, () => rng.next())
      const [a, b, c, d, k0, k1] = words as [number, number, number, number, number, number]
      assert.deepEqual(
        philox4x32([a, b, c, d], [k0, k1]).map(BigInt),
        reference(words.slice(0, 4).map(BigInt), words.slice(4).map(BigInt)),
      )
    }
  })

  it('gives other numbers when any field of the key differs', () => {
    const keys = [
      { seed: 1 },
      { seed: 2 },
      { seed: 1, epoch: 1 },
      { seed: 1, view: 1 },
      { seed: 1, sample: 1 },
      { seed: 1, operation: 1 },
      { seed: 2 ** 40 + 1 },
      { seed: 1, sample: 2 ** 32 },
    ]
    assert.equal(new Set(keys.map((key) => new Rng(key).next())).size, keys.length)
  })

  it('draws uniform numbers with the mean and variance of a uniform distribution', () => {
    const rng = new Rng({ seed: 3 })
    const draws = Array.from({ length: 20_000 }, () => rng.uniform())
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length
    const variance = draws.reduce((sum, draw) => sum + (draw - mean) ** 2, 0) / draws.length
    assert.ok(Math.abs(mean - 0.5) < 0.01, `mean ${mean}`)
    assert.ok(Math.abs(variance - 1 / 12) < 0.003, `variance ${variance}`)
    assert.ok(draws.every((draw) => draw >= 0 && draw < 1))
  })

  it('draws every integer below the bound equally often', () => {
    const rng = new Rng({ seed: 11 })
    const counts = new Array<number>(7).fill(0)
    for (let i = 0; i < 70_000; i++) counts[rng.below(7)]!++
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)
    assert.ok(chiSquare < 22.5, `chi-square ${chiSquare} with 6 degrees of freedom`) // p = 0.001
  })
})

describe('permutation', () => {
  it('holds every index once', () => {
    for (const length of [0, 1, 2, 17, 1000]) {
      assert.deepEqual(
        [...permutation(length, 4, 9)].sort((a, b) => a - b),
        [...Array(length).keys()],
      )
    }
  })

  it('is the same for the same seed and epoch and another for others', () => {
    const order = permutation(100, 1, 2)
    assert.deepEqual(permutation(100, 1, 2), order)
    assert.notDeepEqual(permutation(100, 1, 3), order)
    assert.notDeepEqual(permutation(100, 2, 2), order)
  })

  it('gives each of the 24 orders of four items equally often', () => {
    const counts = new Map<string, number>()
    for (let epoch = 0; epoch < 12_000; epoch++) {
      const order = permutation(4, 8, epoch).join()
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    assert.equal(counts.size, 24)
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0)
    assert.ok(chiSquare < 49.7, `chi-square ${chiSquare} with 23 degrees of freedom`)
  })
})
