/**
 * What every data set must do, whoever wrote it. Call it with a function that opens yours:
 *
 *     datasetSuite('my set', () => openMySet())
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Dataset } from '../data/index.ts'
import { ShapeError } from '../util/errors.ts'

/** @param open a data set of at least 2 samples; called for each test */
export function datasetSuite(name: string, open: () => Promise<Dataset>): void {
  describe(`${name} › as a data set`, () => {
    test('labels are of its classes, and at() agrees with them', async () => {
      const { length, labels, classNames, at } = bound(await open())
      assert.equal(labels.length, length)
      assert.ok(length >= 2 && classNames.length >= 2)
      assert.equal(new Set(classNames).size, classNames.length)
      for (let i = 0; i < length; i++) {
        assert.ok((labels[i] as number) >= 0 && (labels[i] as number) < classNames.length)
        assert.equal(at(i).label, labels[i])
      }
    })

    test('identities are whole numbers below 2^31, of one sample each, and the same when it is opened again', async () => {
      const first = bound(await open())
      const second = bound(await open())
      const ids = Array.from({ length: first.length }, (_, i) => first.at(i).id)
      assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 31))
      assert.equal(new Set(ids).size, ids.length)
      assert.deepEqual(
        Array.from({ length: second.length }, (_, i) => second.at(i).id),
        ids,
      )
    })

    test('read() gives height × width × 3 bytes a picture, in the order asked for, repeats and nothing included', async () => {
      const dataset = await open()
      const size = dataset.height * dataset.width * 3
      const last = dataset.length - 1
      const pixels = await dataset.read([last, 0, last])
      assert.ok(pixels instanceof Uint8Array && pixels.length === 3 * size)
      assert.deepEqual(pixels.subarray(0, size), pixels.subarray(2 * size))
      assert.deepEqual(pixels.slice(size, 2 * size), await dataset.read([0]))
      assert.equal((await dataset.read([])).length, 0)
    })

    test('reads at the same time do not disturb each other, and what was read stays when more is', async () => {
      const dataset = await open()
      const alone = await dataset.read([1])
      const kept = Uint8Array.from(alone)
      const all = Array.from({ length: dataset.length }, (_, i) => i)
      const [one, whole] = await Promise.all([dataset.read([1]), dataset.read(all), dataset.read([0])])
      const size = dataset.height * dataset.width * 3
      assert.deepEqual(one, kept)
      assert.deepEqual(whole.slice(size, 2 * size), kept)
      assert.deepEqual(alone, kept)
    })

    test('an index outside is refused', async () => {
      const dataset = await open()
      for (const index of [-1, dataset.length, 0.5, NaN]) {
        assert.throws(() => dataset.at(index), ShapeError)
        await assert.rejects(dataset.read([index]), ShapeError)
      }
    })
  })
}

function bound(dataset: Dataset): Pick<Dataset, 'length' | 'labels' | 'classNames' | 'at'> {
  const { length, labels, classNames } = dataset
  return { length, labels, classNames, at: (index) => dataset.at(index) }
}
