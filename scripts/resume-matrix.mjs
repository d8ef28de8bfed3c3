/**
 * Stops and resumes trainings over phases, optimizers, averages, schedules and places, and compares bytes. Ends with 1 when any differ.
 *
 *   node --import tsx scripts/resume-matrix.mjs [--every 1]
 *
 * every   n: one in n of the 192 cells
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cells, prepare, stoppedAndResumed } from '../tests/support/resume-matrix.ts'

const { values } = parseArgs({ options: { every: { type: 'string' } } })
const every = Number(values.every ?? 1)
if (!Number.isSafeInteger(every) || every < 1)
  throw new Error(`--every: expected a whole number from 1, got "${values.every}"`)
const root = mkdtempSync(join(tmpdir(), 'trivium-matrix-'))
let [tried, different] = [0, 0]
try {
  await prepare(root)
  for (let i = 0; i < cells.length; i += every) {
    const differing = await stoppedAndResumed(root, cells[i])
    tried++
    if (differing.length === 0) continue
    different++
    process.stdout.write(`${JSON.stringify(cells[i])} differs in ${differing.join(', ')}\n`)
  }
  process.stdout.write(`${tried} cells, ${different} that differ from a run that was never stopped\n`)
  if (different > 0) process.exitCode = 1
} finally {
  rmSync(root, { recursive: true, force: true })
}
