/** hyperopt's record of a search: one document a trial, in its layout. Plain data: `Trials.fromJSON(JSON.parse(text))` goes on. */
import { ConfigError } from '../../util/errors.ts'
import type { Point } from './compile.ts'
import { JOB_STATES, STATUS_OK, STATUS_STRINGS, type JobState, type Status } from './status.ts'

/** What an objective returns, if not just the loss. Further keys are kept. */
export interface Result {
  readonly status: Status
  /** to be minimized; with STATUS_OK */
  readonly loss?: number
  readonly [key: string]: unknown
}

export interface TrialDocument {
  readonly tid: number
  readonly state: JobState
  readonly result: Result
  readonly misc: {
    readonly tid: number
    /** number (of a choice: index) in a list, empty where the label does not exist in this trial */
    readonly vals: Readonly<Record<string, readonly number[]>>
    /** [tid] where the label exists */
    readonly idxs: Readonly<Record<string, readonly number[]>>
    /** what an objective that threw said */
    readonly error?: readonly [name: string, message: string]
  }
  readonly book_time: Date | null
  readonly refresh_time: Date | null
}

export class Trials {
  readonly #documents: TrialDocument[] = []

  get trials(): readonly TrialDocument[] {
    return this.#documents
  }

  get length(): number {
    return this.#documents.length
  }

  get tids(): number[] {
    return this.#documents.map(({ tid }) => tid)
  }

  get results(): Result[] {
    return this.#documents.map(({ result }) => result)
  }

  /** By label, over the trials that have it. */
  get vals(): Record<string, number[]> {
    return this.#byLabel('vals')
  }

  get idxs(): Record<string, number[]> {
    return this.#byLabel('idxs')
  }

  /** null where there is none, or it is not finite */
  losses(): (number | null)[] {
    return this.results.map((result) => lossOf(result))
  }

  statuses(): Status[] {
    return this.results.map(({ status }) => status)
  }

  /** @throws {ConfigError} when no trial is ok */
  get best_trial(): TrialDocument {
    const ok = this.#documents.filter(({ result }) => lossOf(result) !== null)
    if (ok.length === 0)
      throw new ConfigError(`trials: expected at least one trial with a finite loss, got none of ${this.length}.`)
    return ok.reduce((best, trial) => (lossOf(trial.result)! < lossOf(best.result)! ? trial : best))
  }

  /** The best trial's numbers by label; what fmin returns. */
  get argmin(): Point {
    return pointOf(this.best_trial)
  }

  insert(document: TrialDocument): void {
    if (document.tid !== this.length)
      throw new ConfigError(`trials: expected tid ${this.length} next, got ${document.tid}.`)
    this.#documents.push(document)
  }

  toJSON(): readonly TrialDocument[] {
    return this.#documents
  }

  /** @throws {ConfigError} when it is not a list of trials */
  static fromJSON(documents: unknown): Trials {
    const trials = new Trials()
    if (!Array.isArray(documents)) throw new ConfigError('Trials.fromJSON: expected a list of trials.')
    for (const document of documents as unknown[]) {
      if (!isDocument(document))
        throw new ConfigError(`Trials.fromJSON: expected a trial, got ${JSON.stringify(document)?.slice(0, 80)}.`)
      const time = (value: Date | string | null): Date | null => (value === null ? null : new Date(value))
      trials.insert({ ...document, book_time: time(document.book_time), refresh_time: time(document.refresh_time) })
    }
    return trials
  }

  #byLabel(what: 'vals' | 'idxs'): Record<string, number[]> {
    const collected = Object.create(null) as Record<string, number[]>
    for (const { misc } of this.#documents)
      for (const [label, list] of Object.entries(misc[what])) (collected[label] ??= []).push(...list)
    return collected
  }
}

function isDocument(value: unknown): value is TrialDocument {
  const { state, result, misc } = (value ?? {}) as Partial<TrialDocument>
  const areLists = (lists: unknown): boolean =>
    typeof lists === 'object' &&
    lists !== null &&
    Object.values(lists).every((list) => Array.isArray(list) && list.every((one) => typeof one === 'number'))
  return (
    JOB_STATES.some((known) => known === state) &&
    STATUS_STRINGS.some((known) => known === result?.status) &&
    areLists(misc?.vals) &&
    areLists(misc?.idxs)
  )
}

/** A trial's numbers by label, of the labels that it has. */
export function pointOf({ misc }: TrialDocument): Point {
  return Object.fromEntries(
    Object.entries(misc.vals).flatMap(([label, [value]]) => (value === undefined ? [] : [[label, value]])),
  )
}

export function lossOf({ status, loss }: Result): number | null {
  return status === STATUS_OK && typeof loss === 'number' && Number.isFinite(loss) ? loss : null
}
