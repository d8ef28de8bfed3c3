/**
 * The fault figures: 200 trials, 8 workers, 40 SIGKILLs, journal and PostgreSQL (where one is installed). Ends with 1 when a trial was
 * lost or counted twice.
 *
 *   node --import tsx bench/sweep/faults.ts [trials] [workers] [kills]
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JournalStorage, PostgresStorage, type Storage } from '../../src/sweep/index.ts'
import { noPostgres, postgresPrograms, startPostgres } from '../../tests/support/postgres.ts'
import { faultProblems, runFaults } from '../../tests/support/sweep-faults.ts'

const [trials = 200, workers = 8, kills = 40] = process.argv.slice(2).map(Number)
const folder = mkdtempSync(join(tmpdir(), 'trivium-faults-'))

async function measure(name: string, target: string, storage: Storage): Promise<void> {
  const own = join(folder, name)
  mkdirSync(own)
  const figures = await runFaults({ target, storage, trials, workers, kills, folder: own })
  const problems = faultProblems(figures, trials)
  process.stdout.write(
    `${name}: ${figures.trials.length} trials, ${workers} workers, ${figures.kills} SIGKILLs (${figures.killedInTrial} inside a trial), ` +
      `${figures.restarted} trials begun again, ${problems.length} lost or counted twice, ${figures.seconds.toFixed(0)} s\n`,
  )
  for (const problem of problems) process.stdout.write(`  ${problem}\n`)
  if (problems.length > 0 || figures.kills < kills) process.exitCode = 1
}

try {
  const journal = join(folder, 'journal.jsonl')
  await measure('journal', journal, new JournalStorage(journal))
  const programs = postgresPrograms()
  if (programs === null) process.stdout.write(`postgres: skipped, ${noPostgres}\n`)
  else {
    const server = startPostgres(programs)
    try {
      await measure('postgres', server.url, new PostgresStorage(server.url, { leaseSeconds: 2 }))
    } finally {
      server.stop()
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
