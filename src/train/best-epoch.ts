/** Which epoch is the best so far, and when to give up waiting for a better one. */
import type { Validation } from './task.ts'

export type Monitor = 'accuracy' | 'loss'

/**
 * Whether `candidate` beats `best`. Accuracy ties are broken by the loss, which still moves when a small validation part is
 * classified entirely. An epoch without a number, or with one that is not finite, never beats one with it, and is beaten by it.
 */
export function isBetter(candidate: Validation, best: Validation | null, monitor: Monitor): boolean {
  if (best === null) return true
  const order: [mine: number, its: number][] = [
    [orWorst(candidate.accuracy, 1), orWorst(best.accuracy, 1)],
    [orWorst(candidate.loss, -1), orWorst(best.loss, -1)],
  ]
  if (monitor === 'loss') order.shift()
  const [mine = 0, its = 0] = order.find(([one, other]) => one !== other) ?? []
  return mine > its
}

/** Times `sign`, after which higher is better. */
function orWorst(value: number | null, sign: 1 | -1): number {
  return value !== null && Number.isFinite(value) ? sign * value : -Infinity
}
