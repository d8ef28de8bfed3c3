/** A save that is disturbed at each of its system calls, one after the other: the old snapshot or the new one is whole. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  callsOfSave,
  changes,
  changingCalls,
  failEachCall,
  Folders,
  killAtEachCall,
  SnapshotServer,
  straceProblem,
} from '../support/system-calls.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-calls-'))
after(() => rmSync(root, { recursive: true, force: true }))
const skip = straceProblem() ?? false

async function prepared(name: string): Promise<{ server: SnapshotServer; folders: Folders }> {
  const server = await SnapshotServer.start(join(root, name, 'scratch'))
  return { server, folders: await Folders.make(join(root, name), server) }
}

test(
  'system calls › one that fails refuses the save with path, bytes and exit code 74; the snapshot before it is whole',
  { timeout: 300_000, skip },
  async () => {
    const { server, folders } = await prepared('once')
    await server.stop()
    const figures = await failEachCall(folders, { kind: 'store', error: 'ENOSPC', names: changingCalls })
    assert.deepEqual(figures.problems, [])
    assert.equal(figures.hit, figures.calls)
    assert.ok(figures.old >= 20 && figures.new >= 10, JSON.stringify(figures))
  },
)

test('system calls › one that fails once does not end a save of a training', { timeout: 300_000, skip }, async () => {
  const { server, folders } = await prepared('again')
  await server.stop()
  const figures = await failEachCall(folders, { kind: 'lasting', error: 'EDQUOT', names: changingCalls })
  assert.deepEqual(figures.problems, [])
  assert.deepEqual([figures.hit, figures.new], [figures.calls, figures.calls])
})

test(
  'system calls › a process that is killed at one leaves the old snapshot or the new one whole, and the next goes on',
  { timeout: 600_000, skip },
  async () => {
    const { server, folders } = await prepared('killed')
    const calls = await callsOfSave(server, folders, { kind: 'store', names: changingCalls })
    await server.stop()
    // Each third one, others each time; all that give something its name. scripts/disk-faults.mjs takes all.
    const offset = Math.floor(3 * Math.random())
    const changing = calls.filter(changes).filter(({ name }, index) => name === 'rename' || index % 3 === offset)
    const figures = await killAtEachCall(folders, changing)
    assert.deepEqual(figures.problems, [])
    assert.equal(figures.hit, changing.length)
    assert.ok(figures.old >= 5 && figures.new >= 1, JSON.stringify(figures))
  },
)
