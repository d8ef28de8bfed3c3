/** Asks another pruner only once a trial has stopped getting better; without another one it decides alone. */
import { ConfigError } from '../../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../../util/option-names.ts'
import { bestLoss, type Pruner, type PruneRequest } from './pruner.ts'

export interface PatientOptions {
  /** reports without improvement; default 3 */
  readonly patience?: number
  /** an improvement counts when it is larger than this, ≥ 0; default 0 */
  readonly minDelta?: number
}

const optionNames: OptionNames<PatientOptions> = { patience: true, minDelta: true }

export class PatientPruner implements Pruner {
  readonly name = 'patient'
  readonly #inner: Pruner | null
  readonly #patience: number
  readonly #minDelta: number

  /** @throws {ConfigError} for an option out of range */
  constructor(inner: Pruner | null = null, options: PatientOptions = {}) {
    checkOptionNames('PatientPruner', options, optionNames)
    const { patience = 3, minDelta = 0 } = options
    if (!Number.isSafeInteger(patience) || patience < 1)
      throw new ConfigError(`patient pruner: expected patience to be a whole number ≥ 1, got ${patience}.`)
    if (!(minDelta >= 0 && minDelta < Infinity))
      throw new ConfigError(`patient pruner: expected minDelta ≥ 0, got ${minDelta}.`)
    this.#inner = inner
    this.#patience = patience
    this.#minDelta = minDelta
  }

  shouldPrune(request: PruneRequest): boolean {
    const { reports } = request.trial
    if (reports.length <= this.#patience) return false
    const before = bestLoss(reports.slice(0, -this.#patience), request.direction)
    const recent = bestLoss(reports.slice(-this.#patience), request.direction)
    // Two infinities (nothing but NaN) are no improvement either.
    if (recent < before - this.#minDelta) return false
    return this.#inner === null || this.#inner.shouldPrune(request)
  }
}
