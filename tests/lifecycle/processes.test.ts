/** Many processes at once: each run folder and each lock has one owner. A reader that goes away is no failure. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { claimFolders, ownersOf } from '../support/many-processes.ts'
import { sourceCommand } from '../support/training-faults.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-processes-'))
after(() => rmSync(root, { recursive: true, force: true }))

test(
  'run folder › twenty-four processes that claim one at the same instant get as many different ones',
  { timeout: 600_000 },
  async () => {
    const { names, wanted } = await claimFolders(root, 24, 4)
    assert.equal(names.length, wanted)
    assert.equal(new Set(names).size, wanted)
  },
)

test('run lock › of eight processes that begin at once, one owns the folder', { timeout: 600_000 }, async () => {
  assert.deepEqual(await ownersOf(join(root, 'locked'), 8), { owners: 1, refused: 7, others: [] })
})

test(
  'command line › a reader that closes the pipe is no failure, and a missing HOME neither',
  { timeout: 120_000 },
  async () => {
    const env = { ...process.env }
    delete env['HOME']
    const child = spawn(process.execPath, [...sourceCommand, 'models'], { stdio: ['ignore', 'pipe', 'pipe'], env })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.stdout.destroy()
    const code = await new Promise((resolve) => child.on('close', resolve))
    assert.equal(code, 0, errors)
    assert.doesNotMatch(errors, /error|EPIPE/i)
  },
)
