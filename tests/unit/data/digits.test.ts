import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { resizeImage } from '../../../src/binding/index.ts'
import { classCounts, dataOptionsSchema, openDataset } from '../../../src/data/index.ts'
import type { DatasetSplits } from '../../../src/data/index.ts'
import { readDigits } from '../../../src/data/digits.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const open = (seed: number, o: object = {}): Promise<DatasetSplits> =>
  openDataset(dataOptionsSchema.parse(o), { seed, logger: silentLogger })

describe('digits', () => {
  test('the shipped file has the published 1,797 pictures', async () => {
    const { labels, pixels } = await readDigits()
    assert.equal(pixels.length, 1797 * 64 * 3)
    // Class counts and mean grey level as scikit-learn's load_digits has them.
    assert.deepEqual(Array.from(classCounts(labels, 10)), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    assert.deepEqual(Array.from(labels.subarray(0, 5)), [0, 1, 2, 3, 4])
    const mean = (pixels.reduce((sum, value) => sum + value, 0) / pixels.length / 255) * 16
    assert.ok(Math.abs(mean - 4.884164579855314) < 0.01, String(mean))
    // The first digit's first row: 0 0 5 13 9 1 0 0 of 16.
    assert.deepEqual(
      Array.from({ length: 8 }, (_, x) => pixels[x * 3]),
      [0, 0, 5, 13, 9, 1, 0, 0].map((value) => Math.round((value * 255) / 16)),
    )
  })

  test('a stratified fifth is held out, and the parts do not overlap', async () => {
    const { train, validation, test: tested, indices } = await open(1)
    assert.equal(tested.length, 359)
    assert.equal(train.length + (validation?.length ?? 0) + tested.length, 1797)
    assert.equal(new Set([...indices.train, ...indices.validation, ...indices.test]).size, 1797)
    for (const count of classCounts(tested.labels, 10)) assert.ok(count >= 34 && count <= 37)
  })

  test('pictures are resampled to the image size', async () => {
    const { test: tested } = await open(1, { imageSize: 20 })
    const { pixels } = await readDigits()
    const { id } = tested.at(7)
    const size = { height: 8, width: 8, outHeight: 20, outWidth: 20, interpolation: 'bilinear' } as const
    assert.deepEqual(await tested.read([7]), await resizeImage(pixels.slice(id * 192, (id + 1) * 192), size))
  })

  test('the split depends on the seed alone', async () => {
    assert.deepEqual((await open(4)).indices, (await open(4)).indices)
    assert.notDeepEqual((await open(4)).indices, (await open(5)).indices)
  })

  test('mean and std make the training part standard', async () => {
    const { train, mean, std } = await open(1)
    const pixels = await train.read(Array.from(train.labels.keys()))
    let sum = 0
    let squares = 0
    for (const value of pixels) {
      const x = (value / 255 - (mean[0] as number)) / (std[0] as number)
      sum += x
      squares += x * x
    }
    assert.ok(Math.abs(sum / pixels.length) < 1e-3)
    assert.ok(Math.abs(squares / pixels.length - 1) < 1e-3)
  })
})

describe('data options', () => {
  test('have defaults, and refuse what makes no sense', () => {
    const { dataset, directory, validationFraction, testFraction, unreadable, download } = dataOptionsSchema.parse({})
    assert.deepEqual(
      { dataset, directory, validationFraction, testFraction, unreadable, download },
      { dataset: 'digits', directory: 'data', validationFraction: 0.1, testFraction: 0.2, unreadable: 'fail', download: true },
    )
    for (const wrong of [
      { dataset: 'mnist2' },
      { validationFraction: 1 },
      { testFraction: 0 },
      { workers: 0 },
      { imageSize: 0.5 },
      { unreadable: 'ignore' },
      { maxBadFraction: -0.1 },
      { batch: 1 },
    ]) {
      assert.ok(!dataOptionsSchema.safeParse(wrong).success, JSON.stringify(wrong))
    }
  })
})
