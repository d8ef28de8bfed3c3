/**
 * Random numbers of a sweep, keyed by (seed, trial, parameter, purpose) and never drawn from a stream: a sweep that was stopped
 * draws what it would have drawn, whatever else ran in between.
 */
import { Rng } from '../util/rng.ts'

/** What a draw is for; two purposes never share numbers. */
const purposes = { value: 1, component: 2, bracket: 3, permutation: 4, normal: 5, candidate: 6, forest: 7 } as const

export type Purpose = keyof typeof purposes

export function keyedRng(seed: number, trial: number, parameter: string, purpose: Purpose): Rng {
  return new Rng({ seed, sample: trial, epoch: hashName(parameter), view: purposes[purpose], operation: 0x7377_6570 })
}

/** FNV-1a over UTF-16 units, 32 bits. */
function hashName(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
