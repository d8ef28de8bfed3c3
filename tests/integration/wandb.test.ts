/** `logging.wandb` from the configuration to the records: the program as a user runs it, and a server on this machine. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { scanLog } from '../../src/tracking/wandb/log-file.ts'
import { decodeRecord, type WandbRecord } from '../../src/tracking/wandb/records.ts'
import { program, runProgram, type Ended } from '../support/run-program.ts'
import { wandbServer } from '../support/wandb-server.ts'

const base = mkdtempSync(join(tmpdir(), 'trivium-wandb-'))
after(() => rmSync(base, { recursive: true, force: true }))

/** Nothing of whoever runs the tests. */
const nobody = { WANDB_API_KEY: '', WANDB_BASE_URL: '', NETRC: join(base, 'no-netrc') }
const limit = { timeout: 300_000 }

const training = `
run: { name: first }
device: cpu
threads: 1
data: { dataset: digits, image_size: 16 }
backbone: { name: small_cnn, width: 4 }
train: { enabled: true, epochs: 6, batch_size: 128 }
supcon: { enabled: false }
arcface: { enabled: false }
distill: { enabled: false }
export: { enabled: false }
`

/** A folder with a configuration of its own. */
function place(name: string, logging: string, rest: string = training): string {
  const folder = join(base, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'c.yaml'), `logging:\n${logging}${rest}`)
  return folder
}

const run = (folder: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  runProgram(folder, ['--config', 'c.yaml', ...args], { ...nobody, ...env })

function foldersIn(folder: string): string[] {
  return existsSync(join(folder, 'wandb')) ? readdirSync(join(folder, 'wandb')) : []
}

function recordsIn(folder: string): WandbRecord[] {
  const [name = '', ...others] = foldersIn(folder)
  assert.deepEqual(others, [])
  const file = readdirSync(join(folder, 'wandb', name)).find((each) => each.endsWith('.wandb')) ?? ''
  const { records, end } = scanLog(readFileSync(join(folder, 'wandb', name, file)))
  assert.equal(end, readFileSync(join(folder, 'wandb', name, file)).length)
  return records.map((bytes) => decodeRecord(bytes)?.record ?? { kind: 'other' })
}

type Row = Readonly<Record<string, number>>

function rowsIn(folder: string): Row[] {
  const rows = recordsIn(folder).flatMap((record) => (record.kind === 'history' ? [record.items] : []))
  return rows.map((items) => Object.fromEntries(Object.entries(items).map(([key, json]) => [key, Number(json)])))
}

const isEpoch = (row: Row): boolean => 'train/train_loss' in row
const clocks = new Set(['_timestamp', '_runtime', 'train/seconds', 'train/images_per_second'])
const withoutClocks = (rows: readonly Row[]): object[] =>
  rows.map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => !clocks.has(key))))

const levelsOf = (log: string): number[] =>
  log.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { level: number }).level]))

function weightsOf(folder: string): Record<string, string> {
  const manifest = readFileSync(join(folder, 'snapshots', 'first', 'train', 'last', 'manifest.json'), 'utf8')
  const { files } = JSON.parse(manifest) as { files: Record<string, { sha256: string }> }
  return Object.fromEntries(
    Object.entries(files).flatMap(([file, { sha256 }]) => (file === 'state.json' ? [] : [[file, sha256]])),
  )
}

const wandbKeys = `  wandb:
    enabled: true
    project: image-classification-pipeline
    run_name: cifar100-experiment
`
const undisturbed = join(base, 'undisturbed')

before(async () => {
  place('undisturbed', `  file: ./logs/full_pipeline.log\n${wandbKeys}`)
  const { code, stderr } = await run(undisturbed)
  assert.equal(code, 0, stderr)
  assert.match(stderr, /wandb sync wandb\/offline-run-.* uploads the run/)
}, limit)

test('wandb › the published keys record the run offline: its names, settings, steps, epochs and results', () => {
  const records = recordsIn(undisturbed)
  const described = records.find((record) => record.kind === 'run')
  assert.deepEqual(
    [described?.project, described?.displayName],
    ['image-classification-pipeline', 'cifar100-experiment'],
  )
  assert.deepEqual([described?.entity, described?.resume], ['', false])
  assert.match(foldersIn(undisturbed)[0] ?? '', new RegExp(`^offline-run-\\d{8}_\\d{6}-${described?.id ?? '?'}$`))
  const settings = JSON.parse(described?.config['train'] ?? '') as Record<string, unknown>
  assert.deepEqual([settings['batch_size'], settings['epochs'], settings['lr']], [128, 6, 0.001])
  const rows = rowsIn(undisturbed)
  assert.deepEqual(
    rows.map((row) => row['_step']),
    rows.map((_, index) => index),
  )
  const steps = rows.filter((row) => !isEpoch(row))
  assert.deepEqual(
    steps.map((row) => row['train/step']),
    [10, 20, 30, 40, 50, 60],
  )
  for (const row of steps)
    for (const name of ['train/epoch', 'train/loss', 'train/lr', 'train/gradient_norm'])
      assert.ok(Number(row[name]) > 0, name)
  const history = readFileSync(join(undisturbed, 'logs', 'first', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
  const epochs = history.map((line) => {
    const { phase, ...numbers } = JSON.parse(line) as Record<string, number>
    return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [`${String(phase)}/${name}`, value]))
  })
  const told = rows.filter(isEpoch).map(({ _step, _timestamp, _runtime, ...numbers }) => {
    assert.ok([_step, _timestamp, _runtime].every((value) => value !== undefined))
    return numbers
  })
  assert.deepEqual(told, epochs)
  const summary = Object.assign({}, ...records.map((each) => (each.kind === 'summary' ? each.items : {}))) as Record<
    string,
    string
  >
  const metrics = JSON.parse(
    readFileSync(join(undisturbed, 'eval_results', 'first', 'metrics.json'), 'utf8'),
  ) as Record<string, number>
  for (const name of ['top1', 'nll', 'ece', 'macro_f1'])
    assert.equal(Number(summary[`evaluate/${name}`]), metrics[name], name)
  assert.equal(Number(summary['train/best_epoch']) > 0, true)
  assert.equal(Number(summary['train/val_loss']), epochs.at(-1)?.['train/val_loss'])
  const end = records.at(-1)
  assert.deepEqual([end?.kind, end?.kind === 'exit' && end.exitCode], ['exit', 0])
})

test('wandb › beside it, logging.file gets every line of the run’s own log', () => {
  const [further, own] = ['logs/full_pipeline.log', 'logs/first/full_pipeline.log'].map((path) =>
    readFileSync(join(undisturbed, path), 'utf8'),
  )
  assert.equal(further, own)
  assert.ok(levelsOf(own ?? '').includes(30))
})

test('wandb › not enabled it leaves no trace, and enabled it changes no weight', limit, async () => {
  const folder = place('off', '  wandb: { enabled: false, project: photos, run_name: other }\n')
  assert.equal((await run(folder, ['--phases', 'train'])).code, 0)
  assert.deepEqual(foldersIn(folder), [])
  assert.ok(!existsSync(join(folder, 'logs', 'first', 'wandb.json')))
  assert.deepEqual(weightsOf(folder), weightsOf(undisturbed))
})

test('wandb › log_every_steps, entity, the run’s own name where none is given, and logging.level', limit, async () => {
  const folder = place('every', '  level: warn\n  wandb: { enabled: true, entity: team, log_every_steps: 4 }\n')
  const { code, stderr } = await run(folder, ['--phases', 'train', '--set', 'train.epochs=1'])
  assert.equal(code, 0, stderr)
  const described = recordsIn(folder).find((record) => record.kind === 'run')
  assert.deepEqual([described?.entity, described?.project, described?.displayName], ['team', 'uncategorized', 'first'])
  assert.deepEqual(
    rowsIn(folder).map((row) => [row['train/step'], isEpoch(row)]),
    [
      [4, false],
      [8, false],
      [10, true],
    ],
  )
  const log = readFileSync(join(folder, 'logs', 'first', 'full_pipeline.log'), 'utf8')
  assert.ok(
    levelsOf(log).every((level) => level >= 40),
    log,
  )
})

test(
  'wandb › a run that is interrupted goes on as the same one, with the rows of one that never was',
  limit,
  async () => {
    const folder = place('interrupted', `${wandbKeys}    log_every_steps: 1\n`)
    const whole = place('whole', `${wandbKeys}    log_every_steps: 1\n`)
    assert.equal((await run(whole)).code, 0)
    const { code, stderr } = await interrupted(folder, 'SIGINT')
    assert.equal(code, 75, stderr)
    const [first] = foldersIn(folder)
    const before = recordsIn(folder)
    const exit = before.at(-1)
    assert.deepEqual([exit?.kind, exit?.kind === 'exit' && exit.exitCode], ['exit', 75])
    const rows = rowsIn(folder).length
    assert.ok(rows > 0 && rows < rowsIn(whole).length)
    // Once more, and this time nothing is saved first.
    assert.equal((await interrupted(folder, 'SIGKILL', ['--resume'])).code, null)
    const again = await run(folder, ['--resume'])
    assert.equal(again.code, 0, again.stderr)
    assert.deepEqual(foldersIn(folder), [first])
    assert.deepEqual(withoutClocks(rowsIn(folder)), withoutClocks(rowsIn(whole)))
    const kinds = recordsIn(folder).map(({ kind }) => kind)
    assert.deepEqual([kinds.indexOf('exit'), kinds.filter((kind) => kind === 'run').length], [kinds.length - 1, 1])
  },
)

test('wandb › mode online sends the run to WANDB_BASE_URL with the key', limit, async () => {
  await using server = await wandbServer()
  const folder = place('online', `${wandbKeys}    mode: online\n`)
  const env = { WANDB_BASE_URL: server.url, WANDB_API_KEY: 'k'.repeat(40) }
  const { code, stderr } = await run(folder, [], env)
  assert.equal(code, 0, stderr)
  const [id = ''] = server.runs.keys()
  const remote = server.runs.get(id)
  assert.match(stderr, new RegExp(`/me/image-classification-pipeline/runs/${id}`))
  assert.deepEqual(remote?.history, rowsIn(folder))
  assert.deepEqual(withoutClocks(rowsIn(folder)), withoutClocks(rowsIn(undisturbed)))
  assert.deepEqual([remote?.displayName, remote?.complete, remote?.exitCode], ['cifar100-experiment', true, 0])
  assert.equal(typeof remote?.summary['evaluate/top1'], 'number')
  assert.match(foldersIn(folder)[0] ?? '', /^run-/)
  // The evaluation of a run that was recorded is recorded with it.
  assert.equal((await run(folder, ['--phases', 'evaluate'], env)).code, 0)
  assert.deepEqual([...server.runs.keys()], [id])
  assert.equal(remote?.history.length, rowsIn(folder).length)
})

test('wandb › a server that never answers costs a warning, not the training', limit, async () => {
  await using server = await wandbServer()
  server.refusals.push(...Array.from({ length: 9 }, () => 'hang' as const))
  const folder = place('hanging', `${wandbKeys}    mode: online\n`)
  const env = { WANDB_BASE_URL: server.url, WANDB_API_KEY: 'k'.repeat(40) }
  const { code, stderr } = await run(folder, ['--phases', 'train', '--set', 'train.epochs=1'], env)
  assert.equal(code, 0, stderr)
  assert.match(stderr, /warning: Weights & Biases: the server lacks the end of the run \(2 rows\)/)
  assert.equal(rowsIn(folder).length, 2)
})

test(
  'wandb › mode online without a key ends before anything is made, with the line that asks for it',
  limit,
  async () => {
    const folder = place('keyless', `${wandbKeys}    mode: online\n`)
    const { code, stderr } = await run(folder)
    assert.equal(code, 2)
    assert.match(
      stderr,
      /c\.yaml:6: logging\.wandb\.mode: online: expected a key in WANDB_API_KEY or for api\.wandb\.ai in /,
    )
    assert.deepEqual(readdirSync(folder), ['c.yaml'])
  },
)

test(
  'wandb › each trial of a sweep is a run of its own; a missing key ends the sweep before it begins',
  limit,
  async () => {
    const folder = place('sweep', `${wandbKeys}    log_every_steps: 1\n`)
    writeFileSync(
      join(folder, 'lr.yaml'),
      'phases: [train]\nspace:\n  train.lr: { low: 1e-4, high: 1e-2, log: true }\n',
    )
    const words = ['sweep', '--config', 'c.yaml', '--space', 'lr.yaml', '--trials', '2', '--set', 'train.epochs=1']
    const online = await runProgram(folder, [...words, '--set', 'logging.wandb.mode=online'], nobody)
    assert.equal(online.code, 2, online.stderr)
    assert.match(online.stderr, /expected a key in WANDB_API_KEY/)
    assert.deepEqual(readdirSync(folder).sort(), ['c.yaml', 'lr.yaml'])
    const { code, stderr } = await runProgram(folder, words, nobody)
    assert.equal(code, 0, stderr)
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.wandb'))
    assert.equal(files.length, 2, files.join())
    const rates = files.map((path) => {
      const records = scanLog(readFileSync(join(folder, path))).records.map((bytes) => decodeRecord(bytes)?.record)
      const described = records.find((record) => record?.kind === 'run')
      assert.equal(records.filter((record) => record?.kind === 'history').length, 11)
      return (JSON.parse(described?.config['train'] ?? '{}') as { lr?: number }).lr
    })
    assert.notEqual(rates[0], rates[1])
  },
)

/** Starts the program and sends it the signal after the next epoch. */
function interrupted(folder: string, signal: NodeJS.Signals, args: readonly string[] = []): Promise<Ended> {
  const child = spawn(process.execPath, [...program, '--config', 'c.yaml', ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1', ...nobody },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    const seen = /train epoch \d+:/.test(stderr)
    stderr += chunk.toString()
    if (!seen && /train epoch \d+:/.test(stderr)) child.kill(signal)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
