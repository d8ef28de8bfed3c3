/** One evaluation of the objective, as it is stored. Plain data: every storage gives back exactly this. */
import type { Json } from './space/distribution.ts'
import type { Params } from './space/space.ts'

/**
 * `waiting`: has parameters and no worker (enqueued by hand, or taken back from a worker that died or was stopped) ·
 * `running` · `complete`: every objective has a finite value · `pruned`: stopped because it would not win · `failed`: see `failure`.
 */
export type TrialState = 'waiting' | 'running' | 'complete' | 'pruned' | 'failed'

const finishedStates: readonly TrialState[] = ['complete', 'pruned', 'failed']

/**
 * Why a trial failed. `nan`: the objective was NaN or infinite · `error`: it threw · `crash`: its process died ·
 * `out-of-memory` · `timeout` · `unreported`: it ended without a value.
 */
export type FailureKind = 'nan' | 'error' | 'crash' | 'out-of-memory' | 'timeout' | 'unreported'

export interface Failure {
  readonly kind: FailureKind
  readonly message: string
}

/** An intermediate value of the (single) objective. */
export interface Report {
  readonly step: number
  /** may be NaN */
  readonly value: number
}

export interface Trial {
  /** 0, 1, 2 … in the order of creation */
  readonly number: number
  readonly state: TrialState
  readonly params: Params
  /** one for each objective; null unless complete */
  readonly values: readonly number[] | null
  /** by step, ascending */
  readonly reports: readonly Report[]
  readonly failure: Failure | null
  /** the worker that has it, or had it last */
  readonly owner: string | null
  /** how often it was started: 1 for the first time */
  readonly attempt: number
  /** ISO 8601, UTC */
  readonly startedAt: string | null
  readonly finishedAt: string | null
  /** whatever the objective leaves beside its values */
  readonly attributes: Readonly<Record<string, Json>>
}

export type Direction = 'minimize' | 'maximize'

export function isFinished(trial: Pick<Trial, 'state'>): boolean {
  return finishedStates.includes(trial.state)
}

/** Whether a sweep of so many trials is over: none of them runs or waits. Those beyond wait for a longer one. */
export function isOver(trials: readonly Trial[], limit: number): boolean {
  return trials.every((trial) => isFinished(trial) || trial.number >= limit)
}

/** The value as something to be minimized. */
export function asLoss(value: number, direction: Direction): number {
  return direction === 'minimize' ? value : -value
}

export function lastReport(trial: Trial): Report | null {
  return trial.reports[trial.reports.length - 1] ?? null
}
