/** Trials in this process alone. For tests, notebooks and sweeps of seconds. */
import type { Params } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import { checkSameStudy, StudyState, type Operation } from './state.ts'
import type { Claim, Outcome, StartRequest, Storage, StudyDefinition } from './storage.ts'

export class MemoryStorage implements Storage {
  readonly kind = 'memory'
  readonly heartbeatEvery = null
  readonly #state = new StudyState()
  #definition: StudyDefinition | null = null

  async open(definition: StudyDefinition): Promise<StudyDefinition> {
    this.#definition ??= definition
    checkSameStudy(this.#definition, definition, 'memory storage')
    return this.#definition
  }

  async find(name: string): Promise<StudyDefinition | null> {
    return this.#definition?.name === name ? this.#definition : null
  }

  async trials(): Promise<readonly Trial[]> {
    return this.#state.trials
  }

  async enqueue(params: Params, once = false): Promise<Trial> {
    const known = once ? this.#state.enqueued(params) : undefined
    if (known !== undefined) return known
    const number = this.#state.trials.length
    this.#state.apply({ op: 'enqueue', number, params, time: now() })
    return this.#state.trials[number]!
  }

  async start(owner: string, request: StartRequest): Promise<Trial | null> {
    const operation = this.#state.next(owner, request, now())
    if (operation === null) return null
    this.#state.apply(operation)
    return this.#state.trials[operation.number]!
  }

  async report(claim: Claim, step: number, value: number): Promise<boolean> {
    return this.#change(claim, { op: 'report', number: claim.number, attempt: claim.attempt, step, value })
  }

  async finish(claim: Claim, outcome: Outcome): Promise<boolean> {
    return this.#change(claim, { op: 'finish', number: claim.number, attempt: claim.attempt, time: now(), outcome })
  }

  async release(claim: Claim): Promise<boolean> {
    return this.#change(claim, { op: 'release', number: claim.number, attempt: claim.attempt, time: now() })
  }

  /** Workers of this process die with the trials. */
  async heartbeat(): Promise<void> {}

  async close(): Promise<void> {}

  #change(claim: Claim, operation: Operation): boolean {
    if (this.#state.claimed(claim) === null) return false
    this.#state.apply(operation)
    return true
  }
}

export function now(): string {
  return new Date().toISOString()
}
