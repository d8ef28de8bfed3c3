/**
 * Disturbs trainings of the whole curriculum (digits, a small network) and says what survived. Ends with 1 when anything was lost.
 *
 *   node --import tsx scripts/fault-injection.mjs [--kills 500] [--terms 50] [--damage 2000] [--disks 200]
 *     [--processes 200] [--owners 50] [--seed 1]
 *
 * kills      SIGKILL at random moments, resumed each time to the end, compared with an undisturbed run byte by byte
 * terms      the same with SIGTERM, SIGINT and SIGHUP, each of which leaves a snapshot in the middle of an epoch
 * damage     truncated files and flipped bits in a snapshot: refused, or as whole as before
 * processes  so many at once that claim a run folder, each with one of its own
 * owners     so many at once that lock a run folder, one of which gets it
 * disks      disks of so many sizes that are full somewhere in a save (needs the right to mount a tmpfs)
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readSnapshot } from '../src/snapshot/index.ts'
import { Rng } from '../src/util/rng.ts'
import { claimFolders, ownersOf } from '../tests/support/many-processes.ts'
import { builtCommand, damageSnapshots, disturbRuns } from '../tests/support/training-faults.ts'

const text = { type: 'string' }
const names = ['kills', 'terms', 'damage', 'disks', 'processes', 'owners', 'seed']
const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, text])) })
const number = (name, usual) => {
  const value = Number(values[name] ?? usual)
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`--${name}: expected a whole number, got "${values[name]}"`)
  return value
}
if (!existsSync(builtCommand[0])) throw new Error(`${builtCommand[0]} is missing: run npm run build:ts`)
const root = mkdtempSync(join(tmpdir(), 'trivium-faults-'))
const random = new Rng({ seed: number('seed', 1) })
const say = (line) => process.stdout.write(`${line}\n`)
const bad = (problems) => {
  for (const problem of problems) say(`  ${problem}`)
  if (problems.length > 0) process.exitCode = 1
}

try {
  const started = performance.now()
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`
  const figures = await disturbRuns({
    root,
    command: builtCommand,
    kills: number('kills', 500),
    terms: number('terms', 50),
    random: () => random.next() / 2 ** 32,
    onRun: ({ runs, kills, terms, unreadable, different }) =>
      process.stderr.write(
        `  ${runs} runs, ${kills} SIGKILLs, ${terms} others, ${unreadable} unreadable, ${different} different, ${seconds()}\n`,
      ),
  })
  say(
    `signals: ${figures.kills} SIGKILLs and ${figures.terms} SIGTERMs, SIGINTs and SIGHUPs in ${figures.runs} runs: ${figures.unreadable} unreadable snapshots, ` +
      `${figures.different} runs that differ from the undisturbed one, ${seconds()}`,
  )
  bad(figures.problems)

  const damage = await damageSnapshots(
    join(root, 'snapshots', 'quiet', 'distill'),
    root,
    number('damage', 2000),
    () => random.next() / 2 ** 32,
  )
  say(
    `damage: ${damage.damaged} times: ${damage.refused} refused, ${damage.harmless} harmless, ${damage.problems.length} taken for whole or without an earlier one`,
  )
  bad(damage.problems)

  const processes = number('processes', 200)
  const claimed = await claimFolders(join(root, 'claimed'), processes, 4)
  const distinct = new Set(claimed.names).size
  say(`run folders: ${processes} processes claimed ${claimed.wanted} and got ${distinct} different ones`)
  bad(distinct === claimed.wanted ? [] : [`${claimed.wanted - distinct} are missing`])
  const owners = number('owners', 50)
  const { owners: got, refused, others } = await ownersOf(join(root, 'locked'), owners)
  say(`locks: ${owners} processes, ${got} owners, ${refused} were told of another`)
  bad(owners === 0 || (got === 1 && others.length === 0) ? [] : [`${got} owners; ${others.join()}`])

  const disks = number('disks', 200)
  const problems = []
  const writer = ['--import', 'tsx', fileURLToPath(new URL('../tests/lifecycle/snapshot-writer.ts', import.meta.url))]
  let tried = 0
  let full = 0
  for (let i = 0; i < disks; i++) {
    const disk = join(root, 'disk')
    mkdirSync(disk, { recursive: true })
    // One snapshot takes 4.0 MB; the second one does not fit, at a place that moves through it.
    const blocks = 990 + Math.round((i * 990) / disks)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${blocks * 4}k`, 'tmpfs', disk]).status !== 0) break
    tried++
    try {
      const folder = join(disk, 'phase')
      const first = spawnSync(process.execPath, [...writer, folder, 'once'], { encoding: 'utf8' })
      const second = spawnSync(process.execPath, [...writer, folder, 'once'], { encoding: 'utf8' })
      if ([first.status, second.status].some((status) => status !== 0)) full++
      for (const { status, stdout } of [first, second])
        if (status !== 0 && !(status === 7 && /SnapshotError: could not save/.test(stdout)))
          problems.push(`${blocks} blocks: ended with ${status}: ${stdout}`)
      if (first.status === 0) await readSnapshot(folder).catch((error) => problems.push(`${blocks} blocks: ${error}`))
    } finally {
      execFileSync('umount', ['-l', disk])
    }
  }
  say(
    tried < disks
      ? `disks: skipped, mounting a tmpfs is not allowed here`
      : `disks: ${tried} sizes, full in ${full}: ${problems.length} unreadable or without a clear error`,
  )
  bad(problems)
  say(seconds())
} finally {
  rmSync(root, { recursive: true, force: true })
}
