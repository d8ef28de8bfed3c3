/**
 * Disturbs single saves of a snapshot and says what survived. Needs strace and the right to trace. Ends with 1 when anything was lost.
 *
 *   node --import tsx scripts/disk-faults.mjs [--sizes 64,20000,2000000] [--cuts 10000] [--seed 1]
 *
 * sizes   for snapshots of two parts of so many values: each system call fails with each of four errors, and is the last of a killed process
 * cuts    power cuts: disks that lost what was not fsynced
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Rng } from '../src/util/rng.ts'
import { cutPower } from '../tests/support/power-cut-states.ts'
import {
  callsOfSave,
  changes,
  changingCalls,
  failEachCall,
  Folders,
  killAtEachCall,
  readingCalls,
  SnapshotServer,
  straceProblem,
} from '../tests/support/system-calls.ts'

const text = { type: 'string' }
const { values } = parseArgs({ options: { sizes: text, cuts: text, seed: text } })
const number = (name, given) => {
  if (!/^\d+$/.test(given)) throw new Error(`--${name}: expected a whole number, got "${given}"`)
  return Number(given)
}
const problem = straceProblem()
if (problem !== null) throw new Error(`the system calls of a save: ${problem}`)
const root = mkdtempSync(join(tmpdir(), 'trivium-disk-'))
const random = new Rng({ seed: number('seed', values.seed ?? '1') })
const say = (what, { problems, ...figures }) => {
  process.stdout.write(`${what}: ${JSON.stringify(figures)}, ${problems.length} problems\n`)
  for (const line of problems) process.stdout.write(`  ${line}\n`)
  if (problems.length > 0) process.exitCode = 1
}

try {
  for (const given of (values.sizes ?? '64,20000,2000000').split(',')) {
    const size = number('sizes', given)
    const folder = join(root, given)
    const server = await SnapshotServer.start(join(folder, 'scratch'), size)
    const folders = await Folders.make(folder, server, size)
    const calls = await callsOfSave(server, folders, { kind: 'store', names: changingCalls })
    await server.stop()
    for (const kind of ['store', 'lasting'])
      for (const error of ['ENOSPC', 'EIO', 'EDQUOT', 'EROFS'])
        say(`${given} values, ${kind}, ${error}`, await failEachCall(folders, { kind, error, names: changingCalls }))
    const names = readingCalls
    say(
      `${given} values, store, EIO while reading`,
      await failEachCall(folders, { kind: 'store', error: 'EIO', names }),
    )
    say(`${given} values, SIGKILL`, await killAtEachCall(folders, calls.filter(changes)))
    rmSync(folder, { recursive: true })
  }
  say('power cuts', await cutPower(root, number('cuts', values.cuts ?? '10000'), () => random.next() / 2 ** 32))
} finally {
  rmSync(root, { recursive: true, force: true })
}
