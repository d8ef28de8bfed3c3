/**
 * Points that fill the space evenly: the Halton sequence with randomly permuted digits, one prime a parameter. Halton 1960;
 * Owen 2017, "A randomized Halton algorithm in R", https://arxiv.org/abs/1706.02808.
 *
 * Point `number` depends on (seed, number) alone. Every digit place of every parameter has a permutation of its own, so that
 * parameters with large primes are not correlated as in the plain sequence.
 */
import { keyedRng } from '../random.ts'
import { valueAtQuantile } from '../space/axis.ts'
import type { Params } from '../space/space.ts'
import type { Sampler, SuggestRequest } from './sampler.ts'

export class QuasiRandomSampler implements Sampler {
  readonly name = 'quasi-random'

  suggest({ space, seed, number }: SuggestRequest): Params {
    return space.build((parameter) => {
      const prime = nthPrime(space.parameters.indexOf(parameter))
      return valueAtQuantile(parameter.axis, scrambledHalton(number, prime, seed, parameter.name))
    })
  }
}

/** Coordinate `index` of the scrambled van der Corput sequence in base `prime`, in [0, 1). */
function scrambledHalton(index: number, prime: number, seed: number, name: string): number {
  let rest = index
  let scale = 1
  let sum = 0
  // To the end of the double's 53 bits: digits past the index are zeros, and zeros are permuted too.
  for (let place = 0; scale * prime < 2 ** 53; place++) {
    const digit = rest % prime
    rest = Math.floor(rest / prime)
    scale *= prime
    sum = sum * prime + (digitPermutation(prime, place, seed, name)[digit] as number)
  }
  return sum / scale
}

function digitPermutation(prime: number, place: number, seed: number, name: string): number[] {
  const key = `${prime} ${place} ${seed} ${name}`
  let digits = permutations.get(key)
  if (digits === undefined) {
    const rng = keyedRng(seed, place, name, 'permutation')
    digits = Array.from({ length: prime }, (_, digit) => digit)
    for (let last = prime - 1; last > 0; last--) {
      const chosen = rng.below(last + 1)
      const moved = digits[last] as number
      digits[last] = digits[chosen] as number
      digits[chosen] = moved
    }
    if (permutations.size > 20_000) permutations.clear()
    permutations.set(key, digits)
  }
  return digits
}

/** Remembered, since each depends on its key alone. */
const permutations = new Map<string, number[]>()

const primes = [2, 3]

/** The prime of that index, 2 for 0. */
function nthPrime(index: number): number {
  for (let candidate = (primes[primes.length - 1] as number) + 2; primes.length <= index; candidate += 2)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate)
  return primes[index] as number
}
