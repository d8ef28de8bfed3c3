import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { JournalStorage, PostgresStorage } from '../../src/sweep/index.ts'
import { noPostgres, postgresPrograms, startPostgres } from '../support/postgres.ts'
import { faultProblems, runFaults } from '../support/sweep-faults.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-faults-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The long version, 200 trials and 40 kills, is bench/sweep/faults.ts. */
const short = { trials: 24, workers: 3, kills: 5 }

function emptyFolder(name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  return path
}

describe('workers of a sweep that are killed', () => {
  it('leave a journal in which every trial counts once', async () => {
    const target = join(folder, 'journal.jsonl')
    const figures = await runFaults({
      ...short,
      target,
      storage: new JournalStorage(target),
      folder: emptyFolder('journal'),
    })
    assert.equal(figures.kills, short.kills)
    assert.deepEqual(faultProblems(figures, short.trials), [])
  })

  const programs = postgresPrograms()
  it(
    'leave a database in which every trial counts once',
    { skip: programs === null ? noPostgres : false },
    async () => {
      const server = startPostgres(programs!)
      try {
        const storage = new PostgresStorage(server.url, { leaseSeconds: 2 })
        const figures = await runFaults({ ...short, target: server.url, storage, folder: emptyFolder('postgres') })
        assert.equal(figures.kills, short.kills)
        assert.deepEqual(faultProblems(figures, short.trials), [])
      } finally {
        server.stop()
      }
    },
  )
})
