/** Which trials count as good, and which as the others: the two sides of TPE. */
import { lossesOf, sortByDominance } from '../pareto.ts'
import { asLoss, lastReport, type Direction, type Trial } from '../trial.ts'

export interface SplitOptions {
  readonly gamma: (finished: number) => number
  readonly constantLiar: boolean
}

export interface Split {
  /** both by number */
  readonly good: readonly Trial[]
  readonly other: readonly Trial[]
}

/**
 * Complete trials come first, by value or by domination; then the pruned ones, those that came further first. Trials whose objective
 * was NaN or that ran out of memory are bad, whatever the rest: their parameters are why. Other failures say nothing about the
 * parameters and are left out. Running trials are bad when `constantLiar` says so (Ginsbourger et al. 2010).
 */
export function splitTrials(
  history: readonly Trial[],
  directions: readonly Direction[],
  { gamma, constantLiar }: SplitOptions,
): Split {
  const complete = bestFirst(history, directions)
  const pruned = prunedBestFirst(history, directions)
  const ranked = [...complete, ...pruned]
  const count = Math.max(1, Math.min(ranked.length, gamma(ranked.length)))
  const good = new Set(ranked.slice(0, count))
  const bad = history.filter((trial) => {
    if (trial.state === 'running') return constantLiar
    if (trial.state === 'failed') return trial.failure?.kind === 'nan' || trial.failure?.kind === 'out-of-memory'
    return (trial.state === 'complete' || trial.state === 'pruned') && !good.has(trial)
  })
  return { good: history.filter((trial) => good.has(trial)), other: bad }
}

function bestFirst(history: readonly Trial[], directions: readonly Direction[]): Trial[] {
  const complete = history.filter((trial) => trial.state === 'complete')
  const losses = complete.map((trial) => lossesOf(trial, directions))
  if (directions.length > 1) return sortByDominance(losses).map((i) => complete[i]!)
  const order = complete.map((_, i) => i).sort((a, b) => losses[a]![0]! - losses[b]![0]! || a - b)
  return order.map((i) => complete[i]!)
}

function prunedBestFirst(history: readonly Trial[], directions: readonly Direction[]): Trial[] {
  const direction = directions[0] ?? 'minimize'
  const place = (trial: Trial): [step: number, loss: number] => {
    const report = lastReport(trial)
    if (report === null) return [-Infinity, Infinity]
    return [report.step, Number.isNaN(report.value) ? Infinity : asLoss(report.value, direction)]
  }
  return history
    .filter((trial) => trial.state === 'pruned')
    .sort((a, b) => {
      const [stepA, lossA] = place(a)
      const [stepB, lossB] = place(b)
      if (stepA !== stepB) return stepB - stepA
      return lossA < lossB ? -1 : lossA > lossB ? 1 : a.number - b.number
    })
}
