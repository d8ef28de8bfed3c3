/** Objectives that no phase of a trial reports: found before the first trial, not by each trial at its end. */
import { snakeCase, type ResolvedConfig, type SweepFile } from '../../config/index.ts'
import { reportedMetrics } from '../../phases/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'

/** @throws {ConfigError} with the line of the objective and what is reported */
export function checkObjectives({ lineOf, objectives, phases }: SweepFile, { config }: ResolvedConfig): void {
  const reported = new Set(phases.flatMap((phase) => reportedMetrics(phase, config)))
  reported.add('seconds')
  if (reported.has('onnxBytes')) reported.add('latencyMs')
  const names = [...reported].map(snakeCase)
  for (const { metric } of objectives)
    if (!reported.has(metric))
      throw new ConfigError(
        `${lineOf('objective')}: objective: no phase of a trial (${phases.join(', ')}) reports "${snakeCase(metric)}".` +
          `${didYouMean(snakeCase(metric), names)} Reported: ${names.join(', ')}.`,
      )
}
