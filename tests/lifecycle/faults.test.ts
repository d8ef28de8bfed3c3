import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { damageSnapshots, disturbRuns, sourceCommand } from '../support/training-faults.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-faults-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** Other moments each time: what fails prints its problems, and the long script repeats it. */
const random = Math.random

test(
  'faults › a curriculum killed and stopped at random moments ends with the bytes of one that nobody disturbed',
  { timeout: 900_000 },
  async () => {
    const figures = await disturbRuns({ root, command: sourceCommand, kills: 5, terms: 3, random })
    assert.deepEqual([figures.unreadable, figures.different, figures.problems], [0, 0, []])
    assert.ok(figures.kills >= 5 && figures.terms >= 3, JSON.stringify(figures))
  },
)

test('faults › a damaged snapshot is refused by name, and the one before it is found', async () => {
  const figures = await damageSnapshots(join(root, 'snapshots', 'quiet', 'distill'), root, 60, random)
  assert.deepEqual(figures.problems, [])
  assert.ok(figures.refused > 40, JSON.stringify(figures))
})
