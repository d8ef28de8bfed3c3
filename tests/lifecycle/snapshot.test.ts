import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { lockRun, readSnapshot } from '../../src/snapshot/index.ts'
import { SnapshotError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-lifecycle-'))
after(() => rmSync(root, { recursive: true, force: true }))
const writer = fileURLToPath(new URL('snapshot-writer.ts', import.meta.url))
const tsx = ['--import', 'tsx', writer]

function startWriter(folder: string, mode: string): { child: ChildProcess; text: () => string; ended: Promise<void> } {
  const child = spawn(process.execPath, [...tsx, folder, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { child, text: () => text, ended: new Promise((resolve) => child.on('close', () => resolve())) }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    assert.ok(waited < 60_000, `waited a minute for ${what}`)
    await sleep(10)
  }
}

test(
  'snapshot › after a kill at any moment the last acknowledged snapshot or a newer one verifies',
  { timeout: 300_000 },
  async () => {
    const folder = join(root, 'killed')
    const kills = 12
    let acknowledged = 0
    for (let kill = 0; kill < kills; kill++) {
      const { child, text, ended } = startWriter(folder, 'loop')
      await until(() => text().includes('saved'), 'a first save')
      await sleep((kill * 37) % 90)
      child.kill('SIGKILL')
      await ended
      for (const [, step] of text().matchAll(/^saved (\d+)$/gm)) acknowledged = Math.max(acknowledged, Number(step))
      const { state } = await readSnapshot(join(folder, 'last'))
      assert.ok(
        (state as { step: number }).step >= acknowledged,
        `kill ${kill}: ${JSON.stringify(state)} but ${acknowledged} was acknowledged`,
      )
      await readSnapshot(join(folder, 'best'))
    }
    assert.ok(acknowledged >= kills)
  },
)

test('snapshot › a file that may not grow keeps the earlier snapshot, removes the rest, and says what was needed', async () => {
  const folder = join(root, 'limited')
  execFileSync(process.execPath, [...tsx, folder, 'once'])
  // 1,024-byte blocks: one megabyte, half of what a part needs
  const { stdout, status } = spawnSync(
    'bash',
    ['-c', 'ulimit -f 1024; exec "$0" "$@"', process.execPath, ...tsx, folder, 'once'],
    {
      encoding: 'utf8',
    },
  )
  assert.equal(status, 7, stdout)
  assert.match(stdout, /SnapshotError: could not save the snapshot .*epoch-2 \(it needs 4\.00 MB, .* is free\)/)
  assert.match(stdout, /Kept: .*epoch-1\./)
  assert.deepEqual(readdirSync(folder).sort(), ['best', 'epoch-1', 'last'])
  await readSnapshot(folder)
})

test('snapshot › a full disk keeps the earlier snapshot and names the remedy', async (context) => {
  const disk = join(root, 'disk')
  mkdirSync(disk)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk]).status !== 0)
    return context.skip('needs the right to mount a tmpfs')
  try {
    const folder = join(disk, 'phase')
    execFileSync(process.execPath, [...tsx, folder, 'once'])
    const { stdout, status } = spawnSync(process.execPath, [...tsx, folder, 'once'], { encoding: 'utf8' })
    assert.equal(status, 7, stdout)
    assert.match(stdout, /SnapshotError: could not save .*it needs 4\.00 MB, [\d.]+ MB is free/)
    assert.match(stdout, /[Nn]o space left/)
    assert.deepEqual(readdirSync(folder).sort(), ['best', 'epoch-1', 'last'])
    await readSnapshot(folder)
  } finally {
    spawnSync('umount', ['-l', disk])
  }
})

test(
  'run lock › a second process is told who holds the run, and a dead owner holds nothing',
  { timeout: 120_000 },
  async () => {
    const folder = join(root, 'locked')
    mkdirSync(folder)
    const { child, text, ended } = startWriter(folder, 'lock')
    await until(() => text().includes('locked'), 'the lock')
    assert.throws(
      () => lockRun(folder),
      (error: unknown) => error instanceof SnapshotError && /another one holds .*\.lock/.test(error.message),
    )
    child.kill('SIGKILL')
    await ended
    lockRun(folder).release()
    assert.ok(existsSync(join(folder, '.lock')))
  },
)
