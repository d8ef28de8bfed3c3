/** The trials of a study as a fold over operations: what the memory and the journal storage have in common. */
import { ConfigError } from '../../util/errors.ts'
import { canonicalJson, describeDistribution, type Json } from '../space/distribution.ts'
import type { ParameterDefinition, Params } from '../space/space.ts'
import type { Report, Trial } from '../trial.ts'
import { MAX_ATTEMPTS, type Claim, type Outcome, type StudyDefinition } from './storage.ts'

/** One change. Times are ISO 8601, UTC. NaN and infinities are strings, see number-json.ts. */
export type Operation =
  | { readonly op: 'enqueue'; readonly number: number; readonly params: Params; readonly time: string }
  | {
      readonly op: 'start'
      readonly number: number
      readonly owner: string
      readonly attempt: number
      readonly time: string
      /** of a new trial; absent when it was waiting */
      readonly params?: Params
    }
  | {
      readonly op: 'report'
      readonly number: number
      readonly attempt: number
      readonly step: number
      readonly value: number | string
    }
  | {
      readonly op: 'finish'
      readonly number: number
      readonly attempt: number
      readonly time: string
      readonly outcome: Outcome
    }
  | { readonly op: 'release'; readonly number: number; readonly attempt: number; readonly time: string }

export class StudyState {
  #trials: Trial[] = []

  get trials(): readonly Trial[] {
    return this.#trials
  }

  /** @throws {Error} when the operation does not follow from the state: whoever wrote it did not hold the lock */
  apply(operation: Operation): void {
    const { op, number } = operation
    if (op === 'enqueue') {
      this.#add(newTrial(number, operation.params, { enqueued: true }))
      return
    }
    if (op === 'start') {
      if (operation.params !== undefined) this.#add(newTrial(number, operation.params, {}))
      const trial = this.#trial(number)
      if (trial.state !== 'waiting' || operation.attempt !== trial.attempt + 1)
        throw new Error(
          `trial ${number} is ${trial.state} after ${trial.attempt} starts and cannot start a ${operation.attempt}th time`,
        )
      const { owner, attempt, time } = operation
      this.#set({ ...trial, state: 'running', owner, attempt, startedAt: time, reports: [] })
      return
    }
    const trial = this.#trial(number)
    if (trial.state !== 'running' || trial.attempt !== operation.attempt)
      throw new Error(
        `trial ${number} is ${trial.state} (start ${trial.attempt}), not running (start ${operation.attempt})`,
      )
    if (op === 'report')
      this.#set({ ...trial, reports: withReport(trial.reports, operation.step, Number(operation.value)) })
    else if (op === 'release') this.#set({ ...trial, state: 'waiting', reports: [], startedAt: null })
    else this.#set(finished(trial, operation.outcome, operation.time))
  }

  /** The first trial that was enqueued with these parameters. */
  enqueued(params: Params): Trial | undefined {
    const text = canonicalJson(params)
    return this.#trials.find((trial) => trial.attributes['enqueued'] === true && canonicalJson(trial.params) === text)
  }

  /** The trial when the claim still holds, else null. */
  claimed({ number, owner, attempt }: Claim): Trial | null {
    const trial = this.#trials[number]
    const holds = trial?.state === 'running' && trial.owner === owner && trial.attempt === attempt
    return holds ? trial : null
  }

  /** What becomes of a running trial whose worker is dead: it waits again, or has failed. */
  afterDeath(trial: Trial, time: string): Operation {
    const { number, attempt } = trial
    if (attempt < MAX_ATTEMPTS) return { op: 'release', number, attempt, time }
    return { op: 'finish', number, attempt, time, outcome: givenUp(attempt) }
  }

  /** The operation that starts the next trial, or null when there is none to start. */
  next(
    owner: string,
    request: { limit: number; suggest: (history: readonly Trial[], number: number) => Params | null },
    time: string,
  ): Operation | null {
    const waiting = this.#trials.find((trial) => trial.state === 'waiting' && trial.number < request.limit)
    if (waiting !== undefined) return { op: 'start', number: waiting.number, owner, attempt: waiting.attempt + 1, time }
    const number = this.#trials.length
    if (number >= request.limit) return null
    const params = request.suggest(this.#trials, number)
    return params === null ? null : { op: 'start', number, owner, attempt: 1, time, params }
  }

  #add(trial: Trial): void {
    if (trial.number !== this.#trials.length)
      throw new Error(`expected trial ${this.#trials.length} to be the next one, got ${trial.number}`)
    this.#trials = [...this.#trials, trial]
  }

  #trial(number: number): Trial {
    const trial = this.#trials[number]
    if (trial === undefined) throw new Error(`there is no trial ${number}`)
    return trial
  }

  /** A new array each time: what was handed out does not change. */
  #set(trial: Trial): void {
    this.#trials = this.#trials.with(trial.number, trial)
  }
}

function newTrial(number: number, params: Params, attributes: Readonly<Record<string, Json>>): Trial {
  return {
    number,
    state: 'waiting',
    params,
    values: null,
    reports: [],
    failure: null,
    owner: null,
    attempt: 0,
    startedAt: null,
    finishedAt: null,
    attributes,
  }
}

function withReport(reports: readonly Report[], step: number, value: number): Report[] {
  return [...reports.filter((report) => report.step !== step), { step, value }].sort((a, b) => a.step - b.step)
}

export function finished(trial: Trial, outcome: Outcome, finishedAt: string): Trial {
  return {
    ...trial,
    state: outcome.state,
    values: outcome.state === 'complete' ? outcome.values : null,
    failure: outcome.state === 'failed' ? outcome.failure : null,
    finishedAt,
    attributes: { ...trial.attributes, ...outcome.attributes },
  }
}

export function givenUp(attempts: number): Outcome {
  const message = `its worker died ${attempts} times`
  return { state: 'failed', failure: { kind: 'crash', message } }
}

/** @throws {ConfigError} naming what differs between the stored study and the one that was asked for */
export function checkSameStudy(stored: StudyDefinition, asked: StudyDefinition, where: string): void {
  const rest = 'Nothing was changed. Continue it as it was begun, or start a study of another name.'
  const differs = (what: string, theirs: string, ours: string): never => {
    throw new ConfigError(
      `${where}: the study "${stored.name}" was begun with ${what} ${theirs}, and now ${ours} is asked for. ${rest}`,
    )
  }
  const differ = (what: string, lines: readonly string[], why: string): never => {
    const list = lines.map((line) => `  ${line}`).join('\n')
    throw new ConfigError(`${where}: the study "${stored.name}" was begun with ${what}:\n${list}\n${why}. ${rest}`)
  }
  if (stored.name !== asked.name) differs('the name', stored.name, asked.name)
  if (stored.fingerprint !== asked.fingerprint)
    differ('another space', spaceDifference(stored.space, asked.space), 'Trials of two spaces cannot be compared')
  if (stored.directions.join() !== asked.directions.join())
    differs('directions', stored.directions.join(), asked.directions.join())
  if (stored.objectives.join() !== asked.objectives.join())
    differs('objectives', stored.objectives.join(), asked.objectives.join())
  if (stored.seed !== asked.seed) differs('seed', String(stored.seed), String(asked.seed))
  const changed = setupDifference(stored.setup, asked.setup)
  if (changed.length > 0) differ('another configuration', changed, 'Trials of two configurations cannot be compared')
}

/** `key: before → now` for what differs; nothing is known of studies that were begun without a setup. */
function setupDifference(before: StudyDefinition['setup'], now: StudyDefinition['setup']): string[] {
  if (before === undefined || now === undefined) return []
  const text = (value: Json | undefined): string => (value === undefined ? 'unset' : canonicalJson(value))
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((key) => text(before[key]) !== text(now[key]))
    .map((key) => `${key}: ${text(before[key])} → ${text(now[key])}`)
}

/** `parameter: before → now` for what differs. */
function spaceDifference(before: StudyDefinition['space'], now: StudyDefinition['space']): string[] {
  const [theirs, ours] = [before, now].map((space) => new Map(space.map((entry) => [entry.name, entry])))
  const text = (entry: ParameterDefinition | undefined, describe: (entry: ParameterDefinition) => string): string =>
    entry === undefined ? 'not searched' : describe(entry)
  return [...new Set([...theirs!.keys(), ...ours!.keys()])].flatMap((name) => {
    const pair = [theirs!.get(name), ours!.get(name)]
    const [exact, exactNow] = pair.map((entry) => text(entry, canonicalJson))
    if (exact === exactNow) return []
    // Weights and the like are not in the short text.
    const [short, shortNow] = pair.map((entry) => text(entry, describeParameter))
    return [`${name}: ${short === shortNow ? `${exact} → ${exactNow}` : `${short} → ${shortNow}`}`]
  })
}

function describeParameter({ distribution, when = [] }: ParameterDefinition): string {
  const conditions = when.map((all) =>
    all.map(({ parameter, values }) => `${parameter} = ${values.map(canonicalJson).join(' or ')}`).join(' and '),
  )
  return `${describeDistribution(distribution)}${when.length === 0 ? '' : ` when ${conditions.join(', or ')}`}`
}
