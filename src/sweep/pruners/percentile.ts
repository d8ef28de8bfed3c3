/**
 * Stops a trial whose best value so far is worse than a percentile of what complete trials had at the same step. Golovin et al. 2017,
 * "Google Vizier" (median stopping rule).
 */
import { ConfigError } from '../../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../../util/option-names.ts'
import { quantile } from '../../util/quantile.ts'
import type { Direction, Trial } from '../trial.ts'
import { bestLoss, lossOf, type Pruner, type PruneRequest } from './pruner.ts'

export interface PercentileOptions {
  /** the best so many per cent go on, 0 < percentile ≤ 100; default 25 */
  readonly percentile?: number
  /** complete trials before any is stopped; default 5 */
  readonly startupTrials?: number
  /** steps that every trial gets: it is stopped at a larger step only; default 0 */
  readonly warmupSteps?: number
  /** complete trials with a value at the step, at least; default 1 */
  readonly minTrials?: number
}

const optionNames: OptionNames<PercentileOptions> = {
  percentile: true,
  startupTrials: true,
  warmupSteps: true,
  minTrials: true,
}

export class PercentilePruner implements Pruner {
  readonly name: string = 'percentile'
  readonly #options: Required<PercentileOptions>

  /** @throws {ConfigError} for an option out of range */
  constructor(options: PercentileOptions = {}) {
    checkOptionNames('PercentilePruner', options, optionNames)
    this.#options = { percentile: 25, startupTrials: 5, warmupSteps: 0, minTrials: 1, ...options }
    const { percentile, startupTrials, warmupSteps, minTrials } = this.#options
    if (!(percentile > 0 && percentile <= 100))
      throw new ConfigError(`${this.name} pruner: expected 0 < percentile ≤ 100, got ${percentile}.`)
    for (const [name, value, least] of [
      ['startupTrials', startupTrials, 0],
      ['warmupSteps', warmupSteps, 0],
      ['minTrials', minTrials, 1],
    ] as const)
      if (!Number.isSafeInteger(value) || value < least)
        throw new ConfigError(`percentile pruner: expected ${name} to be a whole number ≥ ${least}, got ${value}.`)
  }

  shouldPrune({ trial, history, direction }: PruneRequest): boolean {
    const { percentile, startupTrials, warmupSteps, minTrials } = this.#options
    const last = trial.reports.at(-1)
    if (last === undefined || last.step <= warmupSteps) return false
    const complete = history.filter((other) => other.state === 'complete')
    if (complete.length < Math.max(1, startupTrials)) return false
    const values = complete.flatMap((other) => valueAt(other, last.step, direction))
    if (values.length < minTrials) return false
    return (
      bestLoss(trial.reports, direction) >
      quantile(
        values.toSorted((a, b) => a - b),
        percentile / 100,
      )
    )
  }
}

/** The best half goes on. */
export class MedianPruner extends PercentilePruner {
  override readonly name: string = 'median'

  constructor(options: Omit<PercentileOptions, 'percentile'> = {}) {
    super({ ...options, percentile: 50 })
  }
}

function valueAt(trial: Trial, step: number, direction: Direction): number[] {
  const report = trial.reports.find((other) => other.step === step)
  return report === undefined ? [] : [lossOf(report, direction)]
}
