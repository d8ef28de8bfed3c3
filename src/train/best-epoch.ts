/** Which epoch is the best so far, and when to give up waiting for a better one. */
import type { Validation } from './task.ts'

export type Monitor = 'accuracy' | 'loss'

/**
 * Whether `candidate` beats `best`. Accuracy ties are broken by the loss, which still moves when a small validation part is
 * classified entirely; an epoch without the monitored number never beats one.
 */
export function isBetter(candidate: Validation, best: Validation | null, monitor: Monitor): boolean {
  if (best === null) return true
  const order: [Validation['loss'], Validation['loss'], 1 | -1][] = [
    [candidate.accuracy, best.accuracy, 1],
    [candidate.loss, best.loss, -1],
  ]
  if (monitor === 'loss') order.shift()
  for (const [mine, its, sign] of order) {
    if (mine === null || its === null || mine === its) continue
    return (mine - its) * sign > 0
  }
  return false
}
