import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import sharp from 'sharp'
import { jpegLibrary } from '../../../src/binding/index.ts'
import { dataOptionsSchema, openDataset } from '../../../src/data/index.ts'
import type { Dataset, DatasetSplits } from '../../../src/data/index.ts'
import { PictureLoader } from '../../../src/data/load-pictures.ts'
import type { PictureSource } from '../../../src/data/source.ts'
import { ConfigError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const open = (o: object, seed = 3): Promise<DatasetSplits> =>
  openDataset(dataOptionsSchema.parse({ dataset: 'digits', ...o }), { seed, logger: silentLogger })
const ids = (dataset: Dataset | null): number[] =>
  Array.from({ length: dataset?.length ?? 0 }, (_, index) => (dataset as Dataset).at(index).id)
function counts(dataset: Dataset): number[] {
  const found = dataset.classNames.map(() => 0)
  for (const label of dataset.labels) found[label] = (found[label] ?? 0) + 1
  return found
}

describe('options of a data set', () => {
  test('folds: the validation parts of all folds are the training part, each picture once', async () => {
    const whole = await open({ validationFraction: 0 })
    const folds = await Promise.all([0, 1, 2].map((fold) => open({ folds: 3, fold })))
    const seen = folds.flatMap(({ validation }) => ids(validation))
    assert.deepEqual(seen.sort((a, b) => a - b), ids(whole.train).sort((a, b) => a - b))
    for (const { train, validation, test: tested, indices } of folds) {
      assert.equal(train.length + (validation?.length ?? 0), whole.train.length)
      assert.deepEqual(ids(tested), ids(whole.test))
      assert.deepEqual(indices, { train: ids(train), validation: ids(validation), test: ids(tested) })
    }
    await assert.rejects(open({ folds: 3, fold: 3 }), (e) => e instanceof ConfigError && /from 0 to 2/.test(e.message))
  })

  test('subset_per_class: so many of each class to learn from, the same validation and test parts', async () => {
    const whole = await open({})
    const few = await open({ subsetPerClass: 7 })
    assert.deepEqual(counts(few.train), Array(10).fill(7))
    assert.deepEqual([ids(few.validation), ids(few.test)], [ids(whole.validation), ids(whole.test)])
    const known = new Set(ids(whole.train))
    assert.ok(ids(few.train).every((id) => known.has(id)))
    assert.notDeepEqual(ids(few.train), ids((await open({ subsetPerClass: 7 }, 4)).train))
  })

  test('validation_fraction and test_fraction are the shares', async () => {
    const { train, validation, test: tested } = await open({ validationFraction: 0.25, testFraction: 0.4 })
    const total = train.length + (validation?.length ?? 0) + tested.length
    assert.equal(total, 1797)
    assert.ok(Math.abs(tested.length / total - 0.4) < 0.01)
    assert.ok(Math.abs((validation?.length ?? 0) / (total - tested.length) - 0.25) < 0.01)
  })

  test('the indices of an earlier split are used again, whatever the options say now', async () => {
    const first = await open({ subsetPerClass: 7 })
    const options = dataOptionsSchema.parse({ dataset: 'digits', validationFraction: 0.3 })
    const again = await openDataset(options, { seed: 99, logger: silentLogger, split: first.indices })
    assert.deepEqual(again.indices, first.indices)
  })

  const unseen = process.platform !== 'linux' ? 'threads are counted in /proc' : jpegLibrary() === '' ? 'decoded by sharp' : false
  test('workers is the number of threads that decode', { skip: unseen }, async () => {
    const file = await sharp({ create: { width: 2000, height: 1500, channels: 3, background: 'teal' } }).jpeg().toBuffer()
    const source: PictureSource = {
      ...{ name: 'one', classNames: ['a', 'b'], labels: new Int32Array(40), nameOf: String },
      encoded: () => Promise.resolve(file),
      fingerprint: () => Promise.resolve(['one']),
    }
    const threads = (): number => readdirSync('/proc/self/task').length
    const most = async (workers: number): Promise<number> => {
      const loader = new PictureLoader(source, { resizeTo: 64, cropTo: 64, maxPixels: 1e8, decoder: 'auto', workers })
      await loader.load([0]) // libuv's pool exists from here on
      const before = threads()
      let highest = before
      let done = false
      const load = loader.load(Array(40).fill(0)).then(() => (done = true))
      while (!done) {
        highest = Math.max(highest, threads())
        await new Promise((resolve) => setImmediate(resolve))
      }
      await load
      return highest - before
    }
    assert.deepEqual([await most(1), await most(4)], [0, 3], 'beside the pool’s own thread')
  })
})
