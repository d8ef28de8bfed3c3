/** Trials with several objectives: which of them no other one beats. */
import { asLoss, type Direction, type Trial } from './trial.ts'

/** Whether losses `a` are nowhere worse than `b` and somewhere better. */
export function dominates(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, i) => value <= b[i]!) && a.some((value, i) => value < b[i]!)
}

/** A complete trial's values as losses: smaller is better in each. */
export function lossesOf(trial: Trial, directions: readonly Direction[]): number[] {
  return (trial.values ?? []).map((value, i) => asLoss(value, directions[i]!))
}

/** The complete trials that no other one dominates, by number; with one objective all trials with the best value. */
export function paretoFront(trials: readonly Trial[], directions: readonly Direction[]): Trial[] {
  const complete = trials.filter((trial) => trial.state === 'complete')
  const losses = complete.map((trial) => lossesOf(trial, directions))
  return complete.filter((_, i) => !losses.some((other) => dominates(other, losses[i]!)))
}

/**
 * Indices of the points, best first: by front (Deb et al. 2002, NSGA-II), inside a front the lonelier ones first (crowding distance),
 * so that the best k of them are spread over the front.
 */
export function sortByDominance(losses: readonly (readonly number[])[]): number[] {
  const order: number[] = []
  let rest = losses.map((_, i) => i)
  while (rest.length > 0) {
    const front = rest.filter((i) => !rest.some((j) => dominates(losses[j]!, losses[i]!)))
    const crowding = crowdingDistances(front.map((i) => losses[i]!))
    order.push(
      ...front
        .map((_, place) => place)
        .sort((a, b) => crowding[b]! - crowding[a]! || a - b)
        .map((place) => front[place]!),
    )
    rest = rest.filter((i) => !front.includes(i))
  }
  return order
}

function crowdingDistances(points: readonly (readonly number[])[]): number[] {
  const distances = points.map(() => 0)
  for (let objective = 0; objective < (points[0]?.length ?? 0); objective++) {
    const order = points.map((_, i) => i).sort((a, b) => points[a]![objective]! - points[b]![objective]!)
    const at = (place: number): number => points[order[place]!]![objective]!
    const range = at(order.length - 1) - at(0) || 1
    order.forEach((index, place) => {
      const isEnd = place === 0 || place === order.length - 1
      distances[index]! += isEnd ? Infinity : (at(place + 1) - at(place - 1)) / range
    })
  }
  return distances
}
