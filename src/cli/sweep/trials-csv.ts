/** All trials as a table, one line each, parameters as columns. */
import type { Study, Trial } from '../../sweep/index.ts'
import { csvLine, type CsvValue } from '../../util/csv.ts'

export function trialsCsv(study: Study, trials: readonly Trial[]): string {
  const names = study.space.parameters.map(({ name }) => name)
  const head = ['number', 'state', ...study.objectives, ...names, 'steps', 'seconds', 'starts', 'started_at', 'failure']
  const rows = trials.map((trial): CsvValue[] => [
    trial.number,
    trial.state === 'failed' ? `failed: ${trial.failure?.kind}` : trial.state,
    ...study.objectives.map((_, i) => trial.values?.[i]),
    ...names.map((name) => {
      const value = trial.params[name]
      return value === undefined || typeof value !== 'object' || value === null ? value : JSON.stringify(value)
    }),
    trial.reports.at(-1)?.step,
    secondsOf(trial),
    trial.attempt,
    trial.startedAt,
    trial.failure?.message,
  ])
  return [head, ...rows].map((row) => csvLine(row)).join('')
}

export function secondsOf({ startedAt, finishedAt }: Trial): number | null {
  if (startedAt === null || finishedAt === null) return null
  return Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 100) / 10
}
