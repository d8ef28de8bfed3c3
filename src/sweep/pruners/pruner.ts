/**
 * The contract of a pruner: whether a running trial should stop, as a pure function of the intermediate values of all trials, asked
 * after each report. src/conformance/pruner-suite.ts checks it.
 */
import type { Direction, Report, Trial } from '../trial.ts'

export interface PruneRequest {
  /** running, with at least one report; the last one is new */
  readonly trial: Trial
  /** all trials of the study by number, this one among them */
  readonly history: readonly Trial[]
  readonly direction: Direction
  readonly seed: number
}

export interface Pruner {
  readonly name: string
  shouldPrune(request: PruneRequest): boolean
}

/** The report as a loss; NaN counts as the worst. */
export function lossOf({ value }: Report, direction: Direction): number {
  if (Number.isNaN(value)) return Infinity
  return direction === 'minimize' ? value : -value
}

/** The smallest loss of some reports; infinite when there are none. */
export function bestLoss(reports: readonly Report[], direction: Direction): number {
  return reports.reduce((best, report) => Math.min(best, lossOf(report, direction)), Infinity)
}
