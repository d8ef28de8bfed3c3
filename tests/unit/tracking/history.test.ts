import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { HistoryWriter, readHistory } from '../../../src/tracking/index.ts'
import { parseCsv } from '../../../src/util/csv.ts'
import { SnapshotError } from '../../../src/util/errors.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'history-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const epoch = (n: number, train_loss = 1 / n) => ({
  epoch: n,
  step: n * 10,
  seconds: 1.5,
  lr: 0.1,
  train_loss,
  train_accuracy: null,
  val_loss: null,
  val_accuracy: null,
  images_per_second: 99,
})
const csv = (phase: string) => parseCsv(readFileSync(join(directory, `${phase}.csv`), 'utf8'))
const jsonl = () => readFileSync(join(directory, 'metrics.jsonl'), 'utf8')

async function write(phase: string, epochs: number[], resumeAfterEpoch?: number): Promise<void> {
  const writer = await HistoryWriter.open({
    directory,
    phase,
    ...(resumeAfterEpoch !== undefined && { resumeAfterEpoch }),
  })
  for (const n of epochs) writer.append(epoch(n))
  writer.close()
}

describe('history', () => {
  it('writes one line an epoch to <phase>.csv and metrics.jsonl, on the disk when append returns', async () => {
    const writer = await HistoryWriter.open({ directory: join(directory, 'not', 'there'), phase: 'train' })
    directory = join(directory, 'not', 'there')
    writer.append({ ...epoch(1), train_accuracy: 0.5, val_loss: 2, val_accuracy: 0.25 })
    assert.deepEqual(csv('train'), [
      'phase,epoch,step,seconds,lr,train_loss,train_accuracy,val_loss,val_accuracy,images_per_second'.split(','),
      ['train', '1', '10', '1.5', '0.1', '1', '0.5', '2', '0.25', '99'],
    ])
    assert.deepEqual(JSON.parse(jsonl()), {
      phase: 'train',
      epoch: 1,
      step: 10,
      seconds: 1.5,
      lr: 0.1,
      train_loss: 1,
      train_accuracy: 0.5,
      val_loss: 2,
      val_accuracy: 0.25,
      images_per_second: 99,
    })
    writer.close()
    directory = join(directory, '..', '..')
  })

  it('drops the epochs past the resumed one in both files and leaves other phases alone', async () => {
    await write('supcon', [1, 2, 3])
    await write('arcface', [1, 2, 3, 4])
    await write('arcface', [3], 2)
    assert.deepEqual(
      csv('arcface').map((row) => row[1]),
      ['epoch', '1', '2', '3'],
    )
    assert.deepEqual(
      csv('supcon').map((row) => row[1]),
      ['epoch', '1', '2', '3'],
    )
    const read = await readHistory(directory)
    assert.deepEqual(
      read.map((record) => `${record.phase} ${record.epoch}`),
      ['supcon 1', 'supcon 2', 'supcon 3', 'arcface 1', 'arcface 2', 'arcface 3'],
    )
  })

  it('of a resumed run is byte for byte that of a run without a break', async () => {
    await write('train', [1, 2, 3, 4])
    const whole = [jsonl(), readFileSync(join(directory, 'train.csv'), 'utf8')]
    await write('train', [1, 2, 3])
    await write('train', [3, 4], 2)
    assert.deepEqual([jsonl(), readFileSync(join(directory, 'train.csv'), 'utf8')], whole)
  })

  it('starts a phase afresh when it does not resume', async () => {
    await write('train', [1, 2, 3])
    await write('train', [1])
    assert.equal((await readHistory(directory)).length, 1)
  })

  it('survives a line that a kill cut off, in either file', async () => {
    await write('train', [1, 2])
    appendFileSync(join(directory, 'metrics.jsonl'), '{"phase":"train","epo')
    appendFileSync(join(directory, 'train.csv'), 'train,3,3')
    assert.equal((await readHistory(directory)).length, 2)
    await write('train', [3], 2)
    assert.deepEqual(
      (await readHistory(directory)).map((record) => record.epoch),
      [1, 2, 3],
    )
    assert.deepEqual(
      csv('train').map((row) => row[1]),
      ['epoch', '1', '2', '3'],
    )
  })

  it('keeps the files equal when a kill falls between their writes', async () => {
    await write('train', [1, 2])
    const path = join(directory, 'train.csv')
    writeFileSync(path, readFileSync(path, 'utf8').split('\n').slice(0, 2).join('\n') + '\n')
    await write('train', [], 2)
    assert.equal(csv('train').length, 3)
  })

  it('keeps NaN and infinity apart from values that are missing', async () => {
    const writer = await HistoryWriter.open({ directory, phase: 'train' })
    writer.append({ ...epoch(1, NaN), val_loss: -Infinity })
    writer.close()
    const [record] = await readHistory(directory)
    assert.deepEqual(record, { phase: 'train', ...epoch(1, NaN), val_loss: -Infinity })
    assert.deepEqual(csv('train')[1]?.slice(5, 9), ['NaN', '', '-Infinity', ''])
  })

  it('is empty where there is none', async () => {
    assert.deepEqual(await readHistory(join(directory, 'nothing')), [])
  })

  it('names file and line of what is no record', async () => {
    await write('train', [1])
    for (const bad of ['not json', '[1]', '{"phase":"train"}', 'null']) {
      writeFileSync(join(directory, 'metrics.jsonl'), jsonl().split('\n')[0] + `\n${bad}\n`)
      await assert.rejects(readHistory(directory), (error: Error) => {
        return error instanceof SnapshotError && error.message.includes('metrics.jsonl:2')
      })
    }
  })

  it('says so when the folder cannot be made, or the writer was closed', async () => {
    writeFileSync(join(directory, 'file'), '')
    await assert.rejects(HistoryWriter.open({ directory: join(directory, 'file'), phase: 'train' }), SnapshotError)
    mkdirSync(join(directory, 'metrics.jsonl'))
    await assert.rejects(readHistory(directory), SnapshotError)
    const other = join(directory, 'other')
    const writer = await HistoryWriter.open({ directory: other, phase: 'train' })
    writer.close()
    assert.throws(() => writer.append(epoch(1)), SnapshotError)
  })
})
