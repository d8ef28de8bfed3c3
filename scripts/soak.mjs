/**
 * Trains on the digits for some minutes and watches what the process holds: resident memory and open files. Ends with 1 when memory has grown
 * by more than 5 % after the warm-up, or when the number of open files has.
 *
 *   node scripts/soak.mjs [--minutes 360] [--seconds 10]
 *
 * minutes  of training
 * seconds  between two looks; the first fifth of them is warm-up
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { minutes: { type: 'string' }, seconds: { type: 'string' } } })
const positive = (name, usual) => {
  const value = Number(values[name] ?? usual)
  if (!(value > 0 && Number.isFinite(value)))
    throw new Error(`--${name}: expected a positive number, got "${values[name]}"`)
  return value
}
const [minutes, seconds] = [positive('minutes', 360), positive('seconds', 10)]
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
if (!existsSync(program)) throw new Error(`${program} is missing: run npm run build:ts`)
const root = mkdtempSync(join(tmpdir(), 'trivium-soak-'))
const settings = [
  ...['device=cpu', 'threads=1', 'data.image_size=16', 'backbone={name: small_cnn, width: 8}'],
  ...[
    'train.epochs=1000000',
    'train.batch_size=64',
    'train.ema_decay=0.99',
    'train.sam=true',
    'train.snapshot_minutes=0.1',
  ],
]
const flags = ['--quiet', '--dataset', 'digits', '--directory', root, '--name', 'soak', '--phases', 'train']
const child = spawn(process.execPath, [program, ...flags, ...settings.flatMap((each) => ['--set', each])], {
  stdio: ['ignore', 'ignore', 'inherit'],
})
const ended = new Promise((resolve) => child.once('exit', resolve))
const looks = []
try {
  const started = performance.now()
  while (performance.now() - started < minutes * 60_000) {
    const over = await Promise.race([sleep(seconds * 1000), ended.then((code) => ({ code }))])
    if (over !== undefined) throw new Error(`the training ended by itself, with ${over.code}`)
    const [, kilobytes = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
    looks.push({ megabytes: Number(kilobytes) / 1024, files: readdirSync(`/proc/${child.pid}/fd`).length })
  }
  const log = join(root, 'logs', 'soak', 'metrics.jsonl')
  const epochs = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').length : 0
  const steady = looks.slice(Math.ceil(looks.length / 5))
  const middle = (of, pick) => of.map(pick).sort((a, b) => a - b)[Math.floor(of.length / 2)] ?? NaN
  // Snapshots come and go between looks: medians of the first and the last quarter.
  const quarter = Math.max(1, Math.floor(steady.length / 4))
  const ends = [steady.slice(0, quarter), steady.slice(-quarter)]
  const [before, after] = ends.map((of) => middle(of, ({ megabytes }) => megabytes))
  const [filesBefore, filesAfter] = ends.map((of) => middle(of, ({ files }) => files))
  const growth = (100 * (after - before)) / before
  process.stdout.write(
    `${minutes} minutes, ${epochs} epochs, ${steady.length} looks after the warm-up: resident ${before.toFixed(1)} → ${after.toFixed(1)} MB ` +
      `(${growth.toFixed(2)} %), open files ${filesBefore} → ${filesAfter}\n`,
  )
  if (!(growth <= 5) || filesAfter > filesBefore) process.exitCode = 1
} finally {
  child.kill('SIGKILL')
  await ended
  rmSync(root, { recursive: true, force: true })
}
