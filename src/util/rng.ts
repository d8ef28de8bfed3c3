/**
 * Counter-based random numbers, Philox4x32-10. Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
 *
 * The TypeScript twin of native/core/rng.cc: the same key gives the same numbers on both sides. Nothing random is drawn from a
 * stream that must be replayed, so worker count and resume change nothing.
 */

/** What a draw is for. Two keys that differ in any field give independent sequences. */
export interface RngKey {
  /** Non-negative safe integer. */
  readonly seed: number
  readonly epoch?: number
  readonly view?: number
  /** Stable identity of the sample; non-negative safe integer. */
  readonly sample?: number
  readonly operation?: number
}

type Block = [number, number, number, number]

const ROUNDS = 10
const TWO_32 = 2 ** 32

/** What `permutation` draws for; augmentation operations use small numbers, so this one cannot meet them. */
const PERMUTATION_OPERATION = 0x7065726d

/** One Philox4x32-10 block. Words are unsigned 32-bit integers. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < ROUNDS; round++) {
    const firstHigh = multiplyHigh(0xd2511f53, c0)
    const firstLow = Math.imul(0xd2511f53, c0)
    const secondHigh = multiplyHigh(0xcd9e8d57, c2)
    const secondLow = Math.imul(0xcd9e8d57, c2)
    c0 = (secondHigh ^ c1 ^ k0) >>> 0
    c1 = secondLow >>> 0
    c2 = (firstHigh ^ c3 ^ k1) >>> 0
    c3 = firstLow >>> 0
    k0 = (k0 + 0x9e3779b9) >>> 0 // golden ratio
    k1 = (k1 + 0xbb67ae85) >>> 0 // sqrt(3) − 1
  }
  return [c0, c1, c2, c3]
}

/** A sequence of numbers for one key. */
export class Rng {
  readonly #counter: Block
  readonly #key: [number, number]
  #block: Block = [0, 0, 0, 0]
  #used = 4

  constructor(key: RngKey) {
    const sample = key.sample ?? 0
    const identity = philox4x32(
      [low(sample), high(sample), low(key.epoch ?? 0), low(key.view ?? 0)],
      [low(key.seed), high(key.seed)],
    )
    this.#key = [identity[0], identity[1]]
    this.#counter = [0, low(key.operation ?? 0), identity[2], identity[3]]
  }

  /** Uniform unsigned 32-bit integer. */
  next(): number {
    if (this.#used === 4) {
      this.#block = philox4x32(this.#counter, this.#key)
      this.#counter[0] = (this.#counter[0] + 1) >>> 0
      this.#used = 0
    }
    return this.#block[this.#used++] as number
  }

  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number {
    const upper = this.next() >>> 5
    const lower = this.next() >>> 6
    return (upper * 2 ** 26 + lower) * 2 ** -53
  }

  /**
   * Uniform integer in [0, bound), 0 < bound ≤ 2³², unbiased. Lemire 2019, "Fast random integer generation in an interval": a
   * multiplication, and a redraw only where the result would be biased.
   */
  below(bound: number): number {
    const threshold = (TWO_32 - bound) % bound
    for (;;) {
      const draw = this.next()
      if (Math.imul(draw, bound) >>> 0 >= threshold) return bound === TWO_32 ? draw : multiplyHigh(draw, bound)
    }
  }
}

/**
 * A permutation of 0 … length − 1 that depends on (seed, epoch) alone: Fisher–Yates over counter-based draws.
 *
 * @param length number of items, 0 ≤ length < 2³¹
 * @returns [length] int32
 */
export function permutation(length: number, seed: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length }, (_, index) => index)
  const rng = new Rng({ seed, epoch, operation: PERMUTATION_OPERATION })
  for (let last = length - 1; last > 0; last--) {
    const chosen = rng.below(last + 1)
    const moved = order[last] as number
    order[last] = order[chosen] as number
    order[chosen] = moved
  }
  return order
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers; doubles hold only 53 bits of it, hence the halves. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16
  const aLow = a & 0xffff
  const bHigh = b >>> 16
  const bLow = b & 0xffff
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const carry = (middle % 0x10000) + aLow * bHigh
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0
}

function low(value: number): number {
  return (value % TWO_32) >>> 0
}

function high(value: number): number {
  return Math.floor(value / TWO_32) >>> 0
}
