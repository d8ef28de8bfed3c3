import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MemoryDataset, type Dataset } from '../../../src/data/index.ts'
import { dataHash, isSameData } from '../../../src/phases/lineage-data.ts'
import {
  changedParents,
  changesOf,
  lineageName,
  lineageRecord,
  readLineage,
  settingsOf,
  writeLineage,
} from '../../../src/phases/lineage-record.ts'
import { pipelineConfigSchema, type PipelineConfigInput } from '../../../src/phases/index.ts'
import { DatasetError } from '../../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-record-'))
after(() => rmSync(root, { recursive: true }))

const settings = (input: PipelineConfigInput): ReturnType<typeof settingsOf> =>
  settingsOf(pipelineConfigSchema.parse(input), 'arcface')
const record = lineageRecord('arcface', { settings: settings({}), data: 'd', parents: { supcon: 'a' } })

test('lineage › every key that the result depends on is told with both values, and no other', () => {
  assert.deepEqual(changesOf(record, settings({})), [])
  const free: PipelineConfigInput = {
    run: { name: 'other' },
    threads: 3,
    data: { directory: '/elsewhere', workers: 2 },
    supcon: { lr: 1 },
    arcface: { keep: 9, snapshotEvery: 4, enabled: false, nonFinite: 'skip' },
  }
  assert.deepEqual(changesOf(record, settings(free)), [])
  const changed: PipelineConfigInput = {
    seed: 3,
    data: { imageSize: 24 },
    backbone: { name: 'resnet34' },
    arcface: { lr: 0.5, sam: true, augmentations: { horizontalFlip: true } },
  }
  const told = changesOf(record, settings(changed)).map((text) => text.split(' ')[0])
  for (const key of ['seed', 'data.image_size', 'backbone.name', 'arcface.lr', 'arcface.sam'])
    assert.ok(told.includes(key), `${key} of ${told.join()}`)
  assert.ok(told.some((key) => key?.startsWith('arcface.augmentations.horizontal_flip')))
  const own = settings({ backbone: { name: 'resnet18' }, arcface: { backbone: { name: 'small_cnn' } } })
  assert.ok(!('backbone.name' in own), 'the general backbone is not read by a phase that has its own')
})

test('lineage › parents are compared by their weights', () => {
  assert.deepEqual(changedParents(record, { supcon: 'a' }), [])
  assert.deepEqual(changedParents(record, { supcon: 'b' }), ['the weights of supcon changed'])
  assert.deepEqual(changedParents(record, {}), [], 'deleted since')
})

test('lineage › data is told apart by labels, classes and pictures', async () => {
  const dataset = (change: { label?: number; pixel?: number; name?: string } = {}): MemoryDataset =>
    new MemoryDataset({
      name: 'd',
      classNames: ['a', change.name ?? 'b'],
      labels: Int32Array.of(0, 1, change.label ?? 0),
      height: 2,
      width: 2,
      pixels: Uint8Array.from({ length: 36 }, (_, i) => (i === 30 ? (change.pixel ?? 1) : 7)),
    })
  const hashes: string[] = []
  for (const train of [dataset(), dataset({ label: 1 }), dataset({ pixel: 2 }), dataset({ name: 'c' })])
    hashes.push(await dataHash({ train, validation: null }))
  hashes.push(await dataHash({ train: dataset(), validation: dataset() }))
  assert.equal(new Set(hashes).size, 5)
  assert.equal(await dataHash({ train: dataset(), validation: null }), hashes[0])
})

test(
  'lineage › a picture that is there and cannot be read is named',
  { skip: process.platform !== 'linux' },
  async () => {
    const pixels = {
      name: 'd',
      classNames: ['a'],
      labels: new Int32Array(1),
      height: 1,
      width: 1,
      pixels: new Uint8Array(3),
    }
    const path = '/proc/self/mem' // reading its beginning is an I/O error for everyone
    const train: Dataset = {
      ...new MemoryDataset(pixels),
      ...pixels,
      length: 1,
      at: () => ({ id: 0, label: 0, path }),
      read: () => Promise.reject(new Error('it is a file')),
    }
    await assert.rejects(
      dataHash({ train, validation: null }),
      (error: unknown) =>
        error instanceof DatasetError && error.message.startsWith(`${path}: the file cannot be read (`),
    )
  },
)

test('lineage › every byte of a small data set counts, its sizes where it is big, its times never', async () => {
  const pixels = (last: number): MemoryDataset =>
    new MemoryDataset({
      name: 'd',
      classNames: ['a'],
      labels: new Int32Array(1000),
      height: 2,
      width: 2,
      pixels: new Uint8Array(12_000).fill(last, 11_999),
    })
  const of = (train: Dataset): Promise<string> => dataHash({ train, validation: null })
  assert.notEqual(await of(pixels(0)), await of(pixels(1)), 'the last of a thousand pictures')
  const paths = Array.from({ length: 200 }, (_, i) => join(root, `${i}.png`))
  const files = (): Dataset => ({
    ...pixels(0),
    name: 'files',
    classNames: ['a'],
    labels: new Int32Array(200),
    length: 200,
    height: 2,
    width: 2,
    at: (index) => ({ id: index, label: 0, path: paths[index] ?? '' }),
    read: () => Promise.reject(new Error('small files are not decoded')),
  })
  for (const path of paths) writeFileSync(path, 'picture')
  const before = await of(files())
  utimesSync(paths[77] ?? '', 1, 1)
  assert.equal(await of(files()), before)
  writeFileSync(paths[77] ?? '', 'pictura')
  const after = await of(files())
  assert.notEqual(after, before, 'a file that is none of 64')
  assert.deepEqual([isSameData(before, after), isSameData(after, after)], [false, true])
  assert.ok(isSameData('0123', after), 'sums of an earlier version say nothing')
})

test('lineage › what is written is read back; what is no record counts as none', async () => {
  await writeLineage(root, record)
  assert.deepEqual(await readLineage(root), JSON.parse(JSON.stringify(record)))
  for (const text of ['', '{', '{"version": 2}', 'null']) {
    writeFileSync(join(root, lineageName), text)
    assert.equal(await readLineage(root), null, text)
  }
})
