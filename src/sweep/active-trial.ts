/** A running trial in the hands of its worker. */
import { ConfigError } from '../util/errors.ts'
import type { Json } from './space/distribution.ts'
import type { Params } from './space/space.ts'
import type { Claim, Outcome } from './storage/storage.ts'
import type { Study } from './study.ts'
import type { FailureKind, Trial } from './trial.ts'

/** Thrown by an objective that stops because its trial was pruned; `trial.prune()` throws it. */
export class TrialPruned extends Error {
  override readonly name = 'TrialPruned'
}

export class ActiveTrial {
  readonly number: number
  readonly params: Params
  readonly attempt: number
  /** set with set(); stored with the outcome */
  readonly attributes: Record<string, Json> = {}
  readonly #study: Study
  readonly #claim: Claim
  /** aborted when the sweep is stopped, or when the trial was given to another worker */
  signal: AbortSignal = new AbortController().signal

  constructor(study: Study, trial: Trial) {
    this.#study = study
    this.number = trial.number
    this.params = trial.params
    this.attempt = trial.attempt
    this.#claim = { number: trial.number, owner: trial.owner as string, attempt: trial.attempt }
  }

  /**
   * Says an intermediate value of the objective, after an epoch for instance.
   *
   * @param step ≥ 0, larger each time
   * @throws {ConfigError} for a step that is not, or when the study has several objectives
   */
  async report(value: number, step: number): Promise<void> {
    if (this.#study.directions.length > 1)
      throw new ConfigError('report: intermediate values belong to studies with one objective.')
    if (!Number.isFinite(step) || step < 0) throw new ConfigError(`report: expected a step ≥ 0, got ${step}.`)
    await this.#study.storage.report(this.#claim, step, Number(value))
  }

  /** Whether the pruner would stop it now. Ask after each report. */
  async shouldPrune(): Promise<boolean> {
    if (this.#study.pruner.name === 'none') return false
    const history = await this.#study.trials()
    const trial = history[this.number]
    if (trial === undefined || trial.reports.length === 0) return false
    const { seed, pruner } = this.#study
    return pruner.shouldPrune({ trial, history, direction: this.#study.directions[0]!, seed })
  }

  /** Ends the objective; the trial becomes `pruned`. */
  prune(): never {
    throw new TrialPruned(`trial ${this.number} was pruned`)
  }

  set(name: string, value: Json): void {
    this.attributes[name] = value
  }

  /**
   * Ends the trial with its value, one number for each objective. NaN or infinity makes it a failed one.
   *
   * @returns false when the trial had been given to another worker: this result is not counted
   */
  async complete(value: number | readonly number[]): Promise<boolean> {
    const values = typeof value === 'number' ? [value] : value
    const { objectives } = this.#study
    if (
      !Array.isArray(values) ||
      values.length !== objectives.length ||
      values.some((one) => typeof one !== 'number')
    ) {
      const message = `expected ${objectives.length === 1 ? 'a number' : `${objectives.length} numbers (${objectives.join(', ')})`}, got ${preview(value)}`
      return this.fail('unreported', message)
    }
    const bad = values.findIndex((one) => !Number.isFinite(one))
    if (bad >= 0) return this.fail('nan', `${objectives[bad]} is ${values[bad]}`)
    return this.#finish({ state: 'complete', values: [...(values as number[])], attributes: this.attributes })
  }

  async fail(kind: FailureKind, message: string): Promise<boolean> {
    return this.#finish({
      state: 'failed',
      failure: { kind, message: message.slice(0, 2000) },
      attributes: this.attributes,
    })
  }

  /** Ends the trial as pruned. @returns as complete() */
  async stop(): Promise<boolean> {
    return this.#finish({ state: 'pruned', attributes: this.attributes })
  }

  /** Gives the trial back, to be run again from its beginning with the same parameters. */
  async release(): Promise<boolean> {
    return this.#study.storage.release(this.#claim)
  }

  #finish(outcome: Outcome): Promise<boolean> {
    return this.#study.storage.finish(this.#claim, outcome)
  }
}

function preview(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 60) ?? String(value)
}
