/**
 * Asynchronous successive halving: at steps that grow by the reduction factor (rungs), only the best 1/factor of the trials that came
 * so far go on. Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", https://arxiv.org/abs/1810.05934, in the
 * stopping variant: a trial is judged once, when it reaches a rung.
 */
import { ConfigError } from '../../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../../util/option-names.ts'
import type { Direction, Trial } from '../trial.ts'
import { lossOf, type Pruner, type PruneRequest } from './pruner.ts'

export interface AshaOptions {
  /** step of the first rung, ≥ 1; default 1 */
  readonly minResource?: number
  /** ≥ 2; default 4 */
  readonly reductionFactor?: number
  /** leaves out so many rungs at the start; default 0 */
  readonly minEarlyStoppingRate?: number
}

const optionNames: OptionNames<AshaOptions> = { minResource: true, reductionFactor: true, minEarlyStoppingRate: true }

export class AshaPruner implements Pruner {
  readonly name = 'asha'
  readonly #options: Required<AshaOptions>

  /** @throws {ConfigError} for an option out of range */
  constructor(options: AshaOptions = {}) {
    checkOptionNames('AshaPruner', options, optionNames)
    this.#options = { minResource: 1, reductionFactor: 4, minEarlyStoppingRate: 0, ...options }
    for (const [name, least] of [
      ['minResource', 1],
      ['reductionFactor', 2],
      ['minEarlyStoppingRate', 0],
    ] as const) {
      const value = this.#options[name]
      if (!Number.isSafeInteger(value) || value < least)
        throw new ConfigError(`asha pruner: expected ${name} to be a whole number ≥ ${least}, got ${value}.`)
    }
  }

  shouldPrune({ trial, history, direction }: PruneRequest): boolean {
    const { minResource, reductionFactor, minEarlyStoppingRate } = this.#options
    const last = trial.reports.at(-1)
    if (last === undefined) return false
    const before = trial.reports.at(-2)?.step ?? -Infinity
    const first = minResource * reductionFactor ** minEarlyStoppingRate
    for (let rung = first; rung <= last.step; rung *= reductionFactor) {
      if (rung <= before) continue // judged already
      const rivals = history.flatMap((other) => (other.number === trial.number ? [] : atRung(other, rung, direction)))
      const own = lossOf(last, direction)
      const values = [...rivals, own].sort((a, b) => a - b)
      const places = Math.max(1, Math.floor(values.length / reductionFactor))
      if (own > values[places - 1]!) return true
    }
    return Number.isNaN(last.value)
  }
}

/** The loss of a trial's first report at the rung or after it. */
function atRung(trial: Trial, rung: number, direction: Direction): number[] {
  const report = trial.reports.find(({ step }) => step >= rung)
  return report === undefined ? [] : [lossOf(report, direction)]
}
