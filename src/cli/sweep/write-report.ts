/** The page about a study, with what the folders of the sweep know besides the trials. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sweepReport, type Study, type Trial } from '../../sweep/index.ts'
import { writeFileAtomic } from '../../util/files.ts'
import { runConfigCommand } from '../next-command.ts'
import type { SweepFolders } from './folders.ts'

/** @returns where it was written */
export async function writeReport(
  study: Study,
  trials: readonly Trial[],
  { logs }: SweepFolders,
  path: string = join(logs, 'report.html'),
): Promise<string> {
  const best = join(logs, 'best.yaml')
  const { seed, definition } = study
  const html = await sweepReport(study, trials, {
    facts: {
      ...(definition.search === undefined
        ? {}
        : { sampler: definition.search.sampler, pruner: definition.search.pruner }),
      seed: String(seed),
    },
    ...(existsSync(best) && {
      command: runConfigCommand(best),
      configuration: readFileSync(best, 'utf8'),
    }),
  })
  await writeFileAtomic(path, html)
  return path
}
