/**
 * Hyperband: successive halving with several starting points, so that slow starters have a bracket in which they are not judged
 * early. Li et al. 2018, https://arxiv.org/abs/1603.06560. Each trial belongs to one bracket, drawn by (seed, number) in proportion
 * to the brackets' budgets, and competes with that bracket's trials alone.
 */
import { ConfigError } from '../../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../../util/option-names.ts'
import { keyedRng } from '../random.ts'
import type { Trial } from '../trial.ts'
import { AshaPruner } from './asha.ts'
import type { Pruner, PruneRequest } from './pruner.ts'

export interface HyperbandOptions {
  /** step of the first rung, ≥ 1; default 1 */
  readonly minResource?: number
  /** last step of a trial that is not stopped; null (default): the largest that a complete trial has reported */
  readonly maxResource?: number | null
  /** ≥ 2; default 3 */
  readonly reductionFactor?: number
}

const optionNames: OptionNames<HyperbandOptions> = { minResource: true, maxResource: true, reductionFactor: true }

export class HyperbandPruner implements Pruner {
  readonly name = 'hyperband'
  readonly #minResource: number
  readonly #maxResource: number | null
  readonly #reductionFactor: number

  /** @throws {ConfigError} for an option out of range */
  constructor(options: HyperbandOptions = {}) {
    checkOptionNames('HyperbandPruner', options, optionNames)
    const { minResource = 1, maxResource = null, reductionFactor = 3 } = options
    new AshaPruner({ minResource, reductionFactor }) // checks both
    if (maxResource !== null && !(maxResource >= minResource))
      throw new ConfigError(
        `hyperband pruner: expected maxResource ≥ minResource (${minResource}), got ${maxResource}.`,
      )
    this.#minResource = minResource
    this.#maxResource = maxResource
    this.#reductionFactor = reductionFactor
  }

  shouldPrune(request: PruneRequest): boolean {
    const { trial, history, seed } = request
    const brackets = this.#brackets(history)
    if (brackets === 0) return false
    const own = this.bracketOf(trial.number, brackets, seed)
    const asha = new AshaPruner({
      minResource: this.#minResource,
      reductionFactor: this.#reductionFactor,
      minEarlyStoppingRate: own,
    })
    const rivals = history.filter((other) => this.bracketOf(other.number, brackets, seed) === own)
    return asha.shouldPrune({ ...request, history: rivals })
  }

  /** 0: judged from the first rung on; brackets − 1: judged last. */
  bracketOf(number: number, brackets: number, seed: number): number {
    // Budget of bracket s as in the paper: ⌈brackets · factor^(brackets − 1 − s) / (brackets − s)⌉ trials.
    const budgets = Array.from({ length: brackets }, (_, s) => {
      const rungs = brackets - 1 - s
      return Math.ceil((brackets * this.#reductionFactor ** rungs) / (rungs + 1))
    })
    let unit = keyedRng(seed, number, '', 'bracket').uniform() * budgets.reduce((sum, budget) => sum + budget, 0)
    const found = budgets.findIndex((budget) => (unit -= budget) < 0)
    return found < 0 ? brackets - 1 : found
  }

  #brackets(history: readonly Trial[]): number {
    const reached = history.flatMap((trial) => (trial.state === 'complete' ? [trial.reports.at(-1)?.step ?? 0] : []))
    const most = this.#maxResource ?? Math.max(0, ...reached)
    if (most < this.#minResource) return 0
    // 1e-9: log(27) / log(3) is a little less than 3
    return Math.floor(Math.log(most / this.#minResource) / Math.log(this.#reductionFactor) + 1e-9) + 1
  }
}
