/**
 * The contract of a sampler: parameters for the next trial, as a pure function of what is asked.
 *
 * Pure means: the same request gives the same parameters, in any process, at any time. All randomness is keyed by (seed, number,
 * parameter), see random.ts. That is what makes a sweep resume exactly; src/conformance/sampler-suite.ts checks it.
 */
import type { Params, Space } from '../space/space.ts'
import type { Direction, Trial } from '../trial.ts'

export interface SuggestRequest {
  readonly space: Space
  /** one for each objective */
  readonly directions: readonly Direction[]
  /** all trials with smaller numbers, by number, in whatever state */
  readonly history: readonly Trial[]
  /** of the trial to be */
  readonly number: number
  readonly seed: number
}

export interface Sampler {
  readonly name: string
  /** @returns values of exactly the parameters that exist; null when the sampler has nothing left (a grid) */
  suggest(request: SuggestRequest): Params | null
  /** @throws {ConfigError} when it cannot serve such a study */
  check?(space: Space, directions: readonly Direction[]): void
}
