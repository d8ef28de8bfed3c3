/** Tables of the PostgreSQL storage, and rows as trials. `json`, not `jsonb`: it keeps the order of parameters. */
import type { Failure, Trial, TrialState } from '../trial.ts'
import type { Json } from '../space/distribution.ts'
import type { Params } from '../space/space.ts'

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS trivium_sweep_studies (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  version integer NOT NULL,
  definition json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS trivium_sweep_trials (
  study bigint NOT NULL REFERENCES trivium_sweep_studies ON DELETE CASCADE,
  number integer NOT NULL,
  state text NOT NULL,
  params json NOT NULL,
  objective_values double precision[],
  failure json,
  owner text,
  attempt integer NOT NULL DEFAULT 0,
  lease_until timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  attributes json NOT NULL DEFAULT '{}',
  PRIMARY KEY (study, number)
);
CREATE TABLE IF NOT EXISTS trivium_sweep_reports (
  study bigint NOT NULL,
  number integer NOT NULL,
  step double precision NOT NULL,
  value double precision NOT NULL,
  PRIMARY KEY (study, number, step),
  FOREIGN KEY (study, number) REFERENCES trivium_sweep_trials ON DELETE CASCADE
);`

/** Everything of a trial in one row; the reports as two arrays, by step. */
export const SELECT_TRIALS = `
SELECT t.*, r.steps, r.report_values
FROM trivium_sweep_trials t
LEFT JOIN LATERAL (
  SELECT array_agg(step ORDER BY step) AS steps, array_agg(value ORDER BY step) AS report_values
  FROM trivium_sweep_reports WHERE study = t.study AND number = t.number
) r ON true
WHERE t.study = $1`

export interface TrialRow {
  readonly number: number
  readonly state: TrialState
  readonly params: Params
  readonly objective_values: number[] | null
  readonly failure: Failure | null
  readonly owner: string | null
  readonly attempt: number
  readonly started_at: Date | null
  readonly finished_at: Date | null
  readonly attributes: Record<string, Json>
  readonly steps: number[] | null
  readonly report_values: number[] | null
}

export function trialOf(row: TrialRow): Trial {
  return {
    number: row.number,
    state: row.state,
    params: row.params,
    values: row.objective_values,
    reports: (row.steps ?? []).map((step, i) => ({ step, value: row.report_values![i]! })),
    failure: row.failure,
    owner: row.owner,
    attempt: row.attempt,
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
    attributes: row.attributes,
  }
}
