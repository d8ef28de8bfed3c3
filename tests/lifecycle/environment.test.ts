/** Trainings in odd surroundings give the bytes of one in usual ones, or say what is wrong. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import sharp from 'sharp'
import { program } from '../support/run-program.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-environment-'))
after(() => rmSync(root, { recursive: true, force: true }))
const options = { timeout: 300_000 }

const config = `
device: cpu
threads: 1
data: { dataset: digits, image_size: 16 }
backbone: { name: small_cnn, width: 4 }
train: { epochs: 2, batch_size: 256, ema_decay: 0.9 }
`
writeFileSync(join(root, 'usual.yaml'), config)

interface How {
  readonly env?: NodeJS.ProcessEnv
  /** without these */
  readonly unset?: readonly string[]
  /** of bash: before the program, and where its streams go */
  readonly before?: string
  readonly redirect?: string
  readonly node?: readonly string[]
  readonly config?: string
  readonly more?: readonly string[]
}

/** Sums of the weights of a run of the program. */
function train(name: string, how: How = {}): Record<string, string> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', ...how.env }
  for (const key of how.unset ?? []) delete env[key]
  const flags = ['--config', how.config ?? join(root, 'usual.yaml'), '--directory', root, '--name', name]
  const args = [...(how.node ?? []), ...program, ...flags, '--phases', 'train', ...(how.more ?? [])]
  const script = `${how.before ?? 'true'} && exec "$0" "$@" ${how.redirect ?? ''}`
  const ended = spawnSync('bash', ['-c', script, process.execPath, ...args], { encoding: 'utf8', env, cwd: root })
  assert.equal(ended.status, 0, `${name}: ${ended.stdout}${ended.stderr}`)
  const path = join(root, 'snapshots', name, 'train', 'last', 'manifest.json')
  const { files } = JSON.parse(readFileSync(path, 'utf8')) as { files: Record<string, { sha256: string }> }
  return Object.fromEntries(
    Object.entries(files).flatMap(([file, { sha256 }]) => (file.endsWith('.safetensors') ? [[file, sha256]] : [])),
  )
}

let known: Record<string, string> | null = null
const usual = (): Record<string, string> => (known ??= train('usual'))

test('surroundings › a clock that jumps back changes nothing', options, () => {
  // Each look at the clock finds it an hour earlier; what counts durations is another clock.
  const path = join(root, 'clock.mjs')
  const lines = [
    'const start = Date.now()',
    'let looks = 0',
    'Date.now = () => start - 3_600_000 * ++looks',
    'const Real = Date',
    'globalThis.Date = class extends Real { constructor(...given) { given.length === 0 ? super(Real.now()) : super(...given) } }',
    "process.on('exit', () => { if (looks < 3) process.exitCode = 99 })",
  ]
  writeFileSync(path, lines.join('\n'))
  assert.deepEqual(train('clock', { node: ['--import', path] }), usual())
})

test('surroundings › time zone, language and no HOME change nothing', options, () => {
  const env = { TZ: 'Pacific/Kiritimati', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' }
  const unset = ['HOME', 'XDG_CACHE_HOME', 'TMPDIR', 'USER', 'LOGNAME']
  assert.deepEqual(train('elsewhere', { env, unset }), usual())
})

test('surroundings › closed streams and a terminal of no width change nothing', options, (context: TestContext) => {
  assert.deepEqual(train('closed', { redirect: '>&- 2>&- <&-' }), usual())
  const probe = spawnSync('script', ['-qec', 'true', '/dev/null'])
  if (probe.status !== 0) return context.skip('the terminal needs `script` of util-linux')
  const args = ['--config', join(root, 'usual.yaml'), '--directory', root, '--name', 'narrow', '--phases', 'train']
  const words = [process.execPath, ...program, ...args].map((word) => `'${word}'`).join(' ')
  const text = execFileSync('script', ['-qec', `stty cols 0 rows 0; ${words}`, '/dev/null'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: root,
  })
  assert.match(text, /run narrow is done/)
  assert.doesNotMatch(text, /NaN|Infinity|undefined/)
})

test('surroundings › a configuration that may not be written serves', options, (context: TestContext) => {
  const folder = join(root, 'read-only')
  mkdirSync(folder)
  writeFileSync(join(folder, 'usual.yaml'), config, { mode: 0o444 })
  const mount = (...args: string[]): boolean => spawnSync('mount', args).status === 0
  context.after(() => void spawnSync('umount', ['-l', folder]))
  const isReadOnly = mount('--bind', folder, folder) && mount('-o', 'remount,ro,bind', folder)
  if (!isReadOnly) context.diagnostic('the folder stays writable: no right to mount')
  assert.deepEqual(train('read-only', { config: join(folder, 'usual.yaml') }), usual())
})

test('surroundings › 256 open files suffice for a folder of 300 pictures', options, async () => {
  for (const [level, name] of [
    [40, 'dark'],
    [200, 'light'],
  ] as const) {
    const folder = join(root, 'pictures', name)
    mkdirSync(folder, { recursive: true })
    const create = { width: 20, height: 20, channels: 3, background: { r: level, g: level, b: level } } as const
    const bytes = await sharp({ create }).jpeg().toBuffer()
    for (let i = 0; i < 150; i++) writeFileSync(join(folder, `${i}.jpg`), bytes)
  }
  const more = ['--data', join(root, 'pictures'), '--set', 'train.batch_size=100', '--set', 'data.cache=off']
  const plenty = train('plenty', { more })
  // Node itself loads more than a hundred modules at once.
  assert.deepEqual(train('few', { more, before: 'ulimit -n 256' }), plenty)
})
