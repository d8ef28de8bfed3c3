import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readSnapshot } from '../../src/snapshot/index.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-training-'))
after(() => rmSync(root, { recursive: true, force: true }))
const runner = fileURLToPath(new URL('training-run.ts', import.meta.url))
const command = (name: string): string[] => ['--import', 'tsx', runner, root, name]

function weights(name: string): Record<string, string> {
  const path = join(root, 'snapshots', name, 'supcon', 'last', 'manifest.json')
  const { files } = JSON.parse(readFileSync(path, 'utf8')) as { files: Record<string, { sha256: string }> }
  return Object.fromEntries(
    Object.entries(files).flatMap(([file, { sha256 }]) => (file.endsWith('.safetensors') ? [[file, sha256]] : [])),
  )
}

/** Starts the run and kills it once it has taken `steps` steps, or at its end. @returns what it printed */
function killedAfter(name: string, steps: number): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command(name), { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.split('step ').length - 1 >= steps) child.kill('SIGKILL')
    })
    child.on('close', () => resolve(text))
  })
}

test(
  'training › killed again and again it ends with the weights of a run that nobody disturbed',
  { timeout: 600_000 },
  async () => {
    execFileSync(process.execPath, command('quiet'))
    let text = ''
    let kills = 0
    for (const steps of [3, 13, 11, 15, 9, 14, 1000, 1000]) {
      text = await killedAfter('disturbed', steps)
      if (/finished/.test(text)) break
      kills++
    }
    assert.match(text, /finished/)
    assert.ok(kills >= 4, `only ${kills} kills hit`)
    assert.deepEqual(weights('disturbed'), weights('quiet'))
    const rows = (name: string): string[] =>
      readFileSync(join(root, 'logs', name, 'supcon.csv'), 'utf8')
        .trim()
        .split('\n')
        .map((row) =>
          row
            .split(',')
            .filter((_, column) => column !== 3 && column !== 9)
            .join(),
        )
    assert.deepEqual(rows('disturbed'), rows('quiet'), 'the same history but for the times')
  },
)

test(
  'training › a snapshot that cannot be written ends the run with its path and the bytes needed; the earlier one is readable',
  { timeout: 120_000 },
  async () => {
    await killedAfter('full', 13)
    const before = await readSnapshot(join(root, 'snapshots', 'full', 'supcon', 'last'))
    // 1,024-byte blocks: too little for the optimizer's file
    const { stdout, status } = spawnSync(
      'bash',
      ['-c', 'ulimit -f 20; exec "$0" "$@"', process.execPath, ...command('full')],
      { encoding: 'utf8' },
    )
    assert.equal(status, 7, stdout)
    assert.match(stdout, /SnapshotError: could not save the snapshot .*epoch-000\d \(it needs [\d.]+ MB/)
    assert.match(stdout, /Kept: .*epoch-0001\./)
    assert.equal((await readSnapshot(join(root, 'snapshots', 'full', 'supcon', 'last'))).path, before.path)
  },
)
