/**
 * The contract of a storage: the trials of one study, shared by any number of workers, of which any may die at any moment.
 *
 * Every change is one step that happens wholly or not at all. A trial is started by one worker at a time; only its present claim
 * (owner and attempt) can report on it or finish it, so that a worker that was given up for dead cannot count a trial twice.
 * src/conformance/storage-suite.ts checks this.
 */
import type { ParameterDefinition, Params } from '../space/space.ts'
import type { Direction, Failure, Trial } from '../trial.ts'
import type { Json } from '../space/distribution.ts'

/** Layout of what is stored; another version is refused. */
export const STORAGE_VERSION = 1

/** What a study is; fixed when it begins. */
export interface StudyDefinition {
  readonly name: string
  readonly space: readonly ParameterDefinition[]
  /** Space.fingerprint */
  readonly fingerprint: string
  /** names of the objectives, as many as directions */
  readonly objectives: readonly string[]
  readonly directions: readonly Direction[]
  readonly seed: number
  /** what every trial starts from besides its parameters, by key: the same when the study is continued. Absent: nothing is known of it */
  readonly setup?: Readonly<Record<string, Json>>
  /** names of the sampler and the pruner that the study was begun with; others may go on with it */
  readonly search?: { readonly sampler: string; readonly pruner: string }
}

/** The right to report on a running trial and to finish it. */
export interface Claim {
  readonly number: number
  readonly owner: string
  readonly attempt: number
}

export type Outcome =
  | {
      readonly state: 'complete'
      readonly values: readonly number[]
      readonly attributes?: Readonly<Record<string, Json>>
    }
  | { readonly state: 'pruned'; readonly attributes?: Readonly<Record<string, Json>> }
  | { readonly state: 'failed'; readonly failure: Failure; readonly attributes?: Readonly<Record<string, Json>> }

/** Parameters for trial `number`; null when there are no more. Called while no other trial can be made. */
export type Suggest = (history: readonly Trial[], number: number) => Params | null

export interface StartRequest {
  /** the number of trials at the end: none is made or started whose number is not below it */
  readonly limit: number
  readonly suggest: Suggest
}

export interface Storage {
  readonly kind: string
  /**
   * Begins the study, or joins it when it exists.
   *
   * @returns what is stored, which is `definition` for a new study
   * @throws {ConfigError} when it has another space, other directions or another seed
   * @throws {SnapshotError} when it is of another version, damaged, or cannot be reached
   */
  open(definition: StudyDefinition): Promise<StudyDefinition>
  /** The study of that name as it was begun, or null; changes nothing. @throws {SnapshotError} as open() */
  find(name: string): Promise<StudyDefinition | null>
  /** All trials by number, as of now. */
  trials(): Promise<readonly Trial[]>
  /**
   * Adds a waiting trial.
   *
   * @param once a trial that was enqueued with the same parameters, in whatever state, is given back instead
   */
  enqueue(params: Params, once?: boolean): Promise<Trial>
  /**
   * Starts the waiting trial with the smallest number below the limit, else a new one. Trials of workers that died are waiting again by then, or
   * failed when they were started too often.
   *
   * @returns null when there is nothing to start
   */
  start(owner: string, request: StartRequest): Promise<Trial | null>
  /** Adds an intermediate value; the same step again replaces it. @returns false when the claim is no longer valid */
  report(claim: Claim, step: number, value: number): Promise<boolean>
  /** @returns false when the claim is no longer valid: the trial was given to another worker, or is finished */
  finish(claim: Claim, outcome: Outcome): Promise<boolean>
  /** Gives a running trial back, to be started again from the beginning. @returns false when the claim is no longer valid */
  release(claim: Claim): Promise<boolean>
  /** Says that the owner is alive. Storages that see a death by themselves need no call. */
  heartbeat(owner: string): Promise<void>
  /** Milliseconds between heartbeats; null: none needed. */
  readonly heartbeatEvery: number | null
  close(): Promise<void>
}

/** How often a trial is started before a storage gives it up as a crash: its parameters may be what kills the workers. */
export const MAX_ATTEMPTS = 5
