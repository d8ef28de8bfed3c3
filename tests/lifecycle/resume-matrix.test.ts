import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { cells, prepare, stoppedAndResumed } from '../support/resume-matrix.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-matrix-'))
after(() => rmSync(root, { recursive: true, force: true }))

test(
  'resume › sixteen cells of the matrix, others each time, end with the bytes of a run that was never stopped',
  { timeout: 600_000 },
  async () => {
    assert.equal(cells.length, 192)
    await prepare(root)
    const offset = Math.floor(12 * Math.random())
    // Twelve is no multiple of what repeats in the matrix but the four places, which the second term moves on.
    const chosen = Array.from({ length: 16 }, (_, i) => cells[(offset + i * 12 + (i % 4)) % cells.length]).filter(
      (cell) => cell !== undefined,
    )
    assert.equal(new Set(chosen).size, 16)
    for (const key of ['phase', 'optimizer', 'average', 'schedule', 'stop'] as const)
      assert.equal(new Set(chosen.map((cell) => cell[key])).size, new Set(cells.map((cell) => cell[key])).size, key)
    for (const cell of chosen) assert.deepEqual(await stoppedAndResumed(root, cell), [], JSON.stringify(cell))
  },
)
