import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { wandbOptionsSchema, WandbTracker } from '../../../../src/tracking/index.ts'
import { scanLog } from '../../../../src/tracking/wandb/log-file.ts'
import { decodeRecord, type WandbRecord } from '../../../../src/tracking/wandb/records.ts'
import { ConfigError } from '../../../../src/util/errors.ts'
import { silentLogger } from '../../../../src/util/logger.ts'
import { wandbServer } from '../../../support/wandb-server.ts'

const base = mkdtempSync(join(tmpdir(), 'trivium-wandb-tracker-'))
after(() => rmSync(base, { recursive: true, force: true }))

const variables = ['WANDB_API_KEY', 'WANDB_BASE_URL', 'NETRC'] as const
const before = Object.fromEntries(variables.map((name) => [name, process.env[name]]))
after(() => variables.forEach((name) => setVariable(name, before[name])))

function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name]
  else process.env[name] = value
}

interface Tracked {
  readonly tracker: WandbTracker
  readonly lines: string[]
  readonly root: string
}

function track(name: string, options: object = {}, { root = join(base, name), config = {} } = {}): Tracked {
  const lines: string[] = []
  const note = (text: string): void => void lines.push(text)
  const logger = { ...silentLogger, info: note, warn: note }
  const pace = { intervalMs: 5, retryMs: 5, patienceMs: 60_000 }
  const tracker = new WandbTracker(wandbOptionsSchema.parse({ enabled: true, ...options }), {
    config: { ...config },
    logger,
    upload: pace,
  })
  mkdirSync(join(root, 'logs'), { recursive: true })
  tracker.begin({ name, root, logs: join(root, 'logs') })
  return { tracker, lines, root }
}

function recordsIn(root: string): WandbRecord[] {
  const [folder = ''] = readdirSync(join(root, 'wandb'))
  const [file = ''] = readdirSync(join(root, 'wandb', folder)).filter((each) => each.endsWith('.wandb'))
  const { records } = scanLog(readFileSync(join(root, 'wandb', folder, file)))
  return records.map((bytes) => decodeRecord(bytes)?.record ?? { kind: 'other' })
}

const at = (step: number, isEpoch = false): { phase: string; step: number; isEpoch: boolean } => ({
  phase: 'train',
  step,
  isEpoch,
})

describe('wandb tracker', () => {
  test('a row has the phase in front of its names, the time, and no number that was not measured', async () => {
    const { tracker, root } = track('rows')
    tracker.row(at(10), { loss: 0.5, gradient_norm: NaN, accuracy: null })
    await tracker.finish(0)
    const row = recordsIn(root).find((record) => record.kind === 'history')
    assert.deepEqual(Object.keys(row?.items ?? {}), [
      ...['train/step', 'train/loss', 'train/gradient_norm', '_timestamp', '_runtime', '_step'],
    ])
    const { _timestamp, _runtime, ...rest } = row?.items ?? {}
    assert.deepEqual(rest, { 'train/step': '10', 'train/loss': '0.5', 'train/gradient_norm': 'NaN', _step: '0' })
    assert.ok(Math.abs(Number(_timestamp) * 1000 - Date.now()) < 600_000 && Number(_runtime) >= 0)
  })

  test('the summary has the last value of everything, and what phases end with', async () => {
    const { tracker, root } = track('summary')
    tracker.row(at(10), { loss: 0.5, lr: 0.1 })
    tracker.row(at(14, true), { train_loss: 0.4 })
    tracker.row(at(20), { loss: 0.25 })
    tracker.row(at(28, true), { train_loss: 0.3 })
    tracker.result('evaluate', { top1: 0.75 })
    await tracker.finish(0)
    const summaries = recordsIn(root).flatMap((record) => (record.kind === 'summary' ? [record.items] : []))
    const { _timestamp, _runtime, ...all } = Object.assign({}, ...summaries) as Record<string, string>
    assert.ok(_timestamp !== undefined && _runtime !== undefined)
    assert.deepEqual(all, {
      ...{ 'train/step': '28', 'train/loss': '0.25', 'train/lr': '0.1', 'train/train_loss': '0.3' },
      ...{ 'evaluate/top1': '0.75', _step: '3' },
    })
  })

  test('project, run_name and entity name the run; without them it has W&B’s words and its own name', async () => {
    const { root } = track('named', { project: 'photos', runName: 'cifar100-experiment', entity: 'team' })
    const named = recordsIn(root).find((record) => record.kind === 'run')
    const plain = recordsIn(track('plain').root).find((record) => record.kind === 'run')
    const names = [named, plain].map((run) => [run?.project, run?.displayName, run?.entity])
    assert.deepEqual(names, [
      ['photos', 'cifar100-experiment', 'team'],
      ['uncategorized', 'plain', ''],
    ])
  })

  test(
    'secrets of the configuration reach neither file nor server, nor does the key',
    { timeout: 60_000 },
    async () => {
      await using server = await wandbServer()
      setVariable('WANDB_API_KEY', 'q'.repeat(40))
      setVariable('WANDB_BASE_URL', server.url)
      const config = { data: { password: 'hunter2', sources: [{ api_key: 'hunter2' }], name: 'digits' } }
      const { tracker, root } = track('secret', { mode: 'online' }, { config })
      tracker.row(at(10), { loss: 1 })
      await tracker.finish(0)
      const run = recordsIn(root).find((record) => record.kind === 'run')
      const redacted = { password: '[redacted]', sources: [{ api_key: '[redacted]' }], name: 'digits' }
      assert.deepEqual(JSON.parse(run?.config['data'] ?? ''), redacted)
      const [remote] = server.runs.values()
      assert.deepEqual(remote?.config['data'], { value: redacted })
      const [folder = ''] = readdirSync(join(root, 'wandb'))
      for (const file of readdirSync(join(root, 'wandb', folder)).filter((each) => each.endsWith('.wandb')))
        assert.doesNotMatch(readFileSync(join(root, 'wandb', folder, file), 'latin1'), /hunter2|qqqq/)
      assert.ok(server.requests.every(({ body }) => !/hunter2|qqqq/.test(body)))
    },
  )

  test(
    'online: the server and the file have the same rows, and the folder is marked as sent',
    { timeout: 60_000 },
    async () => {
      await using server = await wandbServer()
      setVariable('WANDB_API_KEY', 'q'.repeat(40))
      setVariable('WANDB_BASE_URL', server.url)
      const { tracker, root, lines } = track('both', {
        mode: 'online',
        project: 'photos',
        entity: 'team',
        runName: 'b',
      })
      tracker.row(at(10), { loss: 1 })
      tracker.row(at(20), { loss: 0.5 })
      tracker.row(at(15), { loss: 0.75 }) // went back
      tracker.result('evaluate', { top1: 0.5 })
      await tracker.finish(0)
      const [run] = server.runs.values()
      assert.deepEqual([run?.project, run?.entity, run?.displayName, run?.exitCode], ['photos', 'team', 'b', 0])
      const recorded = recordsIn(root).flatMap((each) => (each.kind === 'history' ? [each.items] : []))
      const numbers = recorded.map((items) =>
        Object.fromEntries(Object.entries(items).map(([key, json]) => [key, Number(json)])),
      )
      assert.deepEqual(run?.history, numbers)
      assert.deepEqual(
        numbers.map((each) => each['train/step']),
        [10, 15],
      )
      assert.equal(run.summary['evaluate/top1'], 0.5)
      const [folder = ''] = readdirSync(join(root, 'wandb'))
      assert.match(folder, /^run-/)
      assert.ok(readdirSync(join(root, 'wandb', folder)).some((file) => file.endsWith('.wandb.synced')))
      assert.deepEqual(
        lines.filter((line) => /warning|lacks|sync/.test(line)),
        [],
      )
    },
  )

  test(
    'online with a server that refuses: the file has everything, and the end says how to send it',
    { timeout: 60_000 },
    async () => {
      await using server = await wandbServer()
      setVariable('WANDB_API_KEY', 'q'.repeat(40))
      setVariable('WANDB_BASE_URL', server.url)
      server.refusals.push(403)
      const { tracker, root, lines } = track('refused', { mode: 'online' })
      for (const step of [10, 20]) tracker.row(at(step), { loss: 1 })
      await tracker.finish(0)
      assert.equal(recordsIn(root).filter(({ kind }) => kind === 'history').length, 2)
      assert.match(lines.at(-1) ?? '', /lacks the end of the run \(2 rows\).*wandb sync --include-online .*run-/)
      const [folder = ''] = readdirSync(join(root, 'wandb'))
      assert.ok(readdirSync(join(root, 'wandb', folder)).every((file) => !file.endsWith('.synced')))
    },
  )

  test('online without a key is refused before anything is made', () => {
    setVariable('WANDB_API_KEY', undefined)
    setVariable('WANDB_BASE_URL', undefined)
    setVariable('NETRC', join(base, 'no-netrc'))
    assert.throws(() => track('keyless', { mode: 'online' }), ConfigError)
    assert.ok(!existsSync(join(base, 'keyless')))
  })

  test('a folder that cannot be made costs the records and one warning', async () => {
    const root = join(base, 'in-the-way')
    mkdirSync(root)
    writeFileSync(join(root, 'wandb'), 'a file')
    const { tracker, lines } = track('in-the-way')
    tracker.row(at(10), { loss: 1 })
    tracker.result('train', { epochs: 1 })
    await tracker.finish(0)
    assert.equal(lines.length, 1)
    assert.match(lines[0] ?? '', /cannot write .*wandb.*The training goes on; nothing is recorded for W&B/)
  })

  test('a run that ends with an error before its first row leaves nothing', async () => {
    const { tracker, root } = track('early')
    await tracker.finish(2)
    assert.deepEqual(readdirSync(join(root, 'wandb')), [])
  })

  test('a full disk costs one warning; what it refused is written when there is room, in its order', async (context) => {
    const root = join(base, 'full')
    mkdirSync(root)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', root]).status !== 0)
      return context.skip('needs the right to mount a tmpfs')
    context.after(() => void spawnSync('umount', ['-l', root]))
    const { tracker, lines } = track('full', {}, { root })
    tracker.row(at(1), { loss: 1 })
    const fill = (): void => void spawnSync('dd', ['if=/dev/zero', `of=${join(root, 'filler')}`, 'bs=1k'])
    fill()
    for (let step = 2; step <= 100; step++) tracker.row(at(step), { loss: 1 / step })
    assert.equal(
      lines.filter((line) => /no space left on the disk.*The training goes on; records are kept/.test(line)).length,
      1,
    )
    const stuck = recordsIn(root).filter(({ kind }) => kind === 'history').length
    assert.ok(stuck < 100)
    rmSync(join(root, 'filler'))
    tracker.row(at(101), { loss: 0 })
    const steps = recordsIn(root).flatMap((each) => (each.kind === 'history' ? [Number(each.items['train/step'])] : []))
    assert.deepEqual(
      steps,
      Array.from({ length: 101 }, (_, index) => index + 1),
    )
    fill()
    for (let step = 102; step <= 200; step++) tracker.row(at(step), { loss: 1 })
    await tracker.finish(0)
    assert.match(lines.join('\n'), /\d+ records are missing in .*\.wandb, which the disk refused/)
  })
})
