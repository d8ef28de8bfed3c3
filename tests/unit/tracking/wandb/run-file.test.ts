import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { scanLog } from '../../../../src/tracking/wandb/log-file.ts'
import { decodeRecord, type WandbRecord } from '../../../../src/tracking/wandb/records.ts'
import { WandbRunFile, type RowPlace } from '../../../../src/tracking/wandb/run-file.ts'
import { SnapshotError } from '../../../../src/util/errors.ts'

const base = mkdtempSync(join(tmpdir(), 'trivium-wandb-run-'))
after(() => rmSync(base, { recursive: true, force: true }))

const description = {
  entity: null,
  project: 'photos',
  displayName: 'first',
  producer: 'trivium/0.1.0',
  config: { seed: '7' },
}
const start = Date.parse('2026-11-21T20:43:43.500')

function open(name: string, options: { mode?: 'offline' | 'online'; now?: number } = {}): WandbRunFile {
  const root = join(base, name)
  mkdirSync(join(root, 'logs'), { recursive: true })
  const memory = join(root, 'logs', 'wandb.json')
  const file = WandbRunFile.open({ root, memory, mode: 'offline', description, now: start, ...options })
  file.remember()
  return file
}

function recordsOf({ path }: Pick<WandbRunFile, 'path'>): WandbRecord[] {
  return scanLog(readFileSync(path)).records.map((bytes, index) => {
    const found = decodeRecord(bytes)
    assert.equal(found?.num, index + 1)
    return found.record
  })
}

const steps = (file: Pick<WandbRunFile, 'path'>): string[] =>
  recordsOf(file).flatMap((each) => (each.kind === 'history' ? [`${each.step}: ${JSON.stringify(each.items)}`] : []))

const at = (step: number, phase = 'train'): RowPlace => ({ phase, step, isEpoch: false })
const epochAt = (step: number, phase = 'train'): RowPlace => ({ phase, step, isEpoch: true })

/** A row whose place can be read back. */
function tell(file: WandbRunFile, place: RowPlace): void {
  file.cut(file.rowsBefore(place))
  const { phase, step, isEpoch } = place
  file.row(place, { [`${phase}/step`]: String(step), ...(isEpoch ? { [`${phase}/train_loss`]: '1' } : {}) })
}

describe('wandb run', () => {
  test('is a folder named after mode, time and id, whose file begins with header and run and ends with the exit', () => {
    const file = open('named')
    assert.match(basename(file.folder), /^offline-run-20261121_204343-[a-z0-9]{8}$/)
    assert.deepEqual(readdirSync(file.folder).sort(), ['files', `run-${file.id}.wandb`])
    tell(file, at(10))
    tell(file, epochAt(10))
    file.summarize({ 'evaluate/top1': '0.5' })
    file.close(75, 12.4)
    const [header, run, metric, ...rest] = recordsOf(file)
    assert.deepEqual(header, { kind: 'header', producer: 'trivium/0.1.0' })
    assert.equal(run?.kind, 'run')
    const { host, ...told } = run
    assert.ok(host.length > 0)
    const { config, displayName, project } = description
    assert.deepEqual(told, {
      ...{ kind: 'run', id: file.id, entity: '', project, displayName, startTime: start, config, resume: false },
    })
    assert.deepEqual(metric, { kind: 'metric', glob: 'train/*', stepMetric: 'train/step' })
    assert.deepEqual(rest, [
      { kind: 'history', step: 0, items: { 'train/step': '10' } },
      { kind: 'history', step: 1, items: { 'train/step': '10', 'train/train_loss': '1' } },
      { kind: 'summary', items: { 'evaluate/top1': '0.5' } },
      { kind: 'exit', exitCode: 75, runtime: 12 },
    ])
    assert.match(basename(open('online', { mode: 'online' }).folder), /^run-20261121_204343-/)
  })

  test('goes on in its file, without the rows that are trained again and without the exit', () => {
    const file = open('resumed')
    for (const place of [at(10), at(20), epochAt(28), at(30), at(40)]) tell(file, place)
    file.summarize({ loss: '1' })
    file.close(75, 1)
    const again = open('resumed', { now: start + 60_000 })
    assert.deepEqual([again.path, again.id, again.startTime, again.rows], [file.path, file.id, start, 5])
    assert.deepEqual([again.restored.length, again.isAppended, again.summary], [5, false, { loss: '1' }])
    assert.ok(recordsOf(again).every(({ kind }) => kind !== 'exit'))
    tell(again, at(30)) // the snapshot was that of epoch 1
    assert.equal(again.rows, 4)
    tell(again, epochAt(56))
    tell(again, at(10, 'distill'))
    again.close(0, 1)
    const kinds = recordsOf(again).map(({ kind }) => kind)
    assert.deepEqual(kinds, [
      ...['header', 'run', 'metric', 'history', 'history', 'history', 'history', 'history'],
      ...['metric', 'history', 'exit'],
    ])
    const places = steps(again).map((line) => Number(/\/step":"(\d+)/.exec(line)?.[1]))
    assert.deepEqual(places, [10, 20, 28, 30, 56, 10])
  })

  test('a phase that is trained anew takes back its rows and those of the phases after it', () => {
    const file = open('stale')
    for (const phase of ['supcon', 'arcface', 'distill']) for (const step of [10, 20]) tell(file, at(step, phase))
    tell(file, at(10, 'arcface'))
    const told = (): (string | undefined)[] =>
      steps(file).map((line) => /"(\w+)\/step":"(\d+)"/.exec(line)?.slice(1, 3).join(' '))
    assert.deepEqual(told(), ['supcon 10', 'supcon 20', 'arcface 10'])
    tell(file, at(10, 'distill'))
    file.close(0, 1)
    assert.deepEqual(told().at(-1), 'distill 10')
    const axes = recordsOf(file).flatMap((each) => (each.kind === 'metric' ? [each.stepMetric] : []))
    assert.deepEqual(axes, ['supcon/step', 'arcface/step', 'distill/step'], 'what was taken back is told again')
  })

  test('on a disk that is full from the start everything waits, and is there in its order when there is room', (context) => {
    const root = join(base, 'full')
    mkdirSync(root)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', root]).status !== 0)
      return context.skip('needs the right to mount a tmpfs')
    context.after(() => void spawnSync('umount', ['-l', root]))
    spawnSync('dd', ['if=/dev/zero', `of=${join(root, 'filler')}`, 'bs=1k'])
    const file = WandbRunFile.open({ root, memory: join(root, 'wandb.json'), mode: 'offline', description })
    assert.throws(() => tell(file, at(10)), SnapshotError)
    assert.throws(() => tell(file, at(20)), SnapshotError)
    assert.deepEqual([file.rows, recordsOf(file)], [2, []])
    rmSync(join(root, 'filler'))
    tell(file, at(30))
    const kinds = recordsOf(file).map(({ kind }) => kind)
    assert.deepEqual(kinds, ['header', 'run', 'metric', 'history', 'history', 'history'])
    file.close(0, 1)
  })

  test('goes on behind the last whole record of a file that a kill cut off', () => {
    const file = open('killed')
    for (const step of [10, 20, 30]) tell(file, at(step))
    truncateSync(file.path, readFileSync(file.path).length - 3)
    const again = open('killed')
    assert.equal(again.rows, 2)
    tell(again, at(30))
    again.close(0, 1)
    assert.equal(steps(again).length, 3)
  })

  test('what was uploaded is left alone: the next part is another folder of the same run, to be appended', () => {
    const file = open('synced')
    tell(file, at(10))
    file.close(75, 1)
    const before = readFileSync(file.path)
    writeFileSync(`${file.path}.synced`, '') // as `wandb sync` leaves it
    const second = open('synced')
    assert.notEqual(second.folder, file.folder)
    assert.deepEqual([second.id, second.isAppended, second.rows], [file.id, true, 0])
    tell(second, at(20))
    second.close(75, 1)
    const run = recordsOf(second).find((record) => record.kind === 'run')
    assert.deepEqual([run?.id, run?.resume], [file.id, true])
    assert.deepEqual(readFileSync(file.path), before)
    const third = open('synced')
    assert.deepEqual([third.path, third.isAppended, third.rows], [second.path, true, 1])
    third.close(75, 1)
    // A part that ends before its first row goes; the run is known all the same.
    writeFileSync(`${third.path}.synced`, '')
    open('synced').discard()
    assert.equal(open('synced').id, file.id)
    // Where it goes on online, only the server knows what stands before it: the uploaded part stays one.
    assert.notEqual(open('synced', { mode: 'online' }).path, third.path)
    assert.ok(existsSync(`${third.path}.synced`))
  })

  test('online it goes on in its file, of which the server has a part', () => {
    const file = open('online-again', { mode: 'online' })
    tell(file, at(10))
    file.close(75, 1)
    file.markSynced()
    const again = open('online-again', { mode: 'online' })
    assert.deepEqual([again.path, again.rows, again.isAppended], [file.path, 1, false])
    assert.ok(!existsSync(`${file.path}.synced`))
  })

  test('is another run where nobody remembers, or what is remembered is gone or no run', () => {
    const ids = new Set<string>()
    for (const memory of [null, 'no json', '{"id":"../../x","folder":"y"}', '{"id":"abcd1234","folder":"gone"}']) {
      const path = join(base, 'forgotten', 'logs', 'wandb.json')
      if (memory === null) rmSync(path, { force: true })
      else writeFileSync(path, memory)
      ids.add(open('forgotten').id)
    }
    assert.equal(ids.size, 4)
    assert.ok(ids.has('abcd1234')) // the server may know it
    assert.ok(!existsSync(join(base, 'x')))
  })

  test('one that nothing came of is removed', () => {
    const file = open('nothing')
    file.discard()
    assert.ok(!existsSync(file.folder))
  })
})
