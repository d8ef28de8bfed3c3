import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import sharp from 'sharp'
import { dataOptionsSchema, loadImage, openDataset } from '../../../src/data/index.ts'
import type { Dataset, DatasetSplits } from '../../../src/data/index.ts'
import { findImages } from '../../../src/data/image-files.ts'
import { DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import type { Logger } from '../../../src/util/logger.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trivium-folder-'))
})
afterEach(() => rm(root, { recursive: true }))

/** A plain picture; its grey level tells which. */
async function picture(level: number, width = 20, height = 16, format: 'png' | 'jpeg' = 'png'): Promise<Buffer> {
  const background = { r: level, g: level, b: level }
  return sharp({ create: { width, height, channels: 3, background } }).toFormat(format).toBuffer()
}
async function put(path: string, bytes: Buffer | string): Promise<void> {
  await mkdir(join(root, path, '..'), { recursive: true })
  await writeFile(join(root, path), bytes)
}
async function classes(prefix: string, counts: Record<string, number>): Promise<void> {
  let level = 0
  for (const [name, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) await put(`${prefix}${name}/${String(i).padStart(2, '0')}.png`, await picture((level += 5)))
}
const open = (o: object = {}, seed = 1, logger: Logger = silentLogger): Promise<DatasetSplits> =>
  openDataset(dataOptionsSchema.parse({ dataset: 'imagefolder', directory: root, imageSize: 8, ...o }), { seed, logger })
const paths = (dataset: Dataset | null): string[] =>
  dataset === null ? [] : Array.from({ length: dataset.length }, (_, i) => (dataset.at(i).path as string).slice(root.length + 1))
const refuses =
  (...patterns: RegExp[]) =>
  (error: unknown): boolean =>
    error instanceof DatasetError && patterns.every((pattern) => pattern.test(error.message))

describe('image folder', () => {
  test('one folder of class folders is split stratified into three parts', async () => {
    await classes('', { cat: 20, dog: 10 })
    const { train, validation, test: tested, indices } = await open({ testFraction: 0.2, validationFraction: 0.25 })
    const count = (d: Dataset | null, label: number): number => Array.from(d?.labels ?? []).filter((l) => l === label).length
    assert.deepEqual([count(tested, 0), count(tested, 1)], [4, 2])
    assert.deepEqual([count(validation, 0), count(validation, 1)], [4, 2])
    assert.deepEqual([count(train, 0), count(train, 1)], [12, 6])
    assert.deepEqual(train.classNames, ['cat', 'dog'])
    const all = [...indices.train, ...indices.validation, ...indices.test].sort((a, b) => a - b)
    assert.deepEqual(all, Array.from({ length: 30 }, (_, i) => i))
    assert.equal(new Set([...paths(train), ...paths(validation), ...paths(tested)]).size, 30)
  })

  test('train/ and test/ are taken as they are; the validation part comes out of train/', async () => {
    await classes('train/', { cat: 8, dog: 8 })
    await classes('test/', { cat: 2, dog: 3 })
    const { train, validation, test: tested } = await open({ validationFraction: 0.25 })
    assert.deepEqual([train.length, validation?.length, tested.length], [12, 4, 5])
    assert.ok(paths(tested).every((path) => path.startsWith('test/')))
    assert.ok(paths(validation).every((path) => path.startsWith('train/')))
    assert.equal((await open({ validationFraction: 0 })).validation, null)
  })

  for (const name of ['val', 'valid', 'validation', 'Test']) {
    test(`${name}/ alone beside train/ is the test part`, async () => {
      await classes('train/', { cat: 8, dog: 8 })
      await classes(`${name}/`, { cat: 2, dog: 2 })
      const { validation, test: tested } = await open({ validationFraction: 0.25 })
      assert.ok(paths(tested).length === 4 && paths(tested).every((path) => path.startsWith(`${name}/`)))
      assert.ok(paths(validation).every((path) => path.startsWith('train/')))
    })
  }

  test('with val/ and test/ both, each is its own part', async () => {
    await classes('train/', { cat: 4, dog: 4 })
    await classes('val/', { cat: 2, dog: 2 })
    await classes('test/', { cat: 3, dog: 3 })
    const { train, validation, test: tested } = await open()
    assert.deepEqual([train.length, validation?.length, tested.length], [8, 4, 6])
  })

  test('a class named train is a class when pictures lie in it', async () => {
    await classes('', { bus: 3, train: 3 })
    assert.deepEqual((await open()).train.classNames, ['bus', 'train'])
  })

  test('training pictures are resizeTo squares, evaluation pictures what loadImage gives', async () => {
    await classes('', { cat: 6, dog: 6 })
    const { train, validation, test: tested, resizeTo, imageSize } = await open({ imageSize: 14, validationFraction: 0.3 })
    assert.deepEqual([imageSize, resizeTo], [14, 16])
    assert.deepEqual([train.height, train.width, tested.height, validation?.width], [16, 16, 14, 14])
    const expected = await loadImage(tested.at(1).path as string, { resizeTo, cropTo: imageSize, maxPixels: 1e6 })
    assert.deepEqual(await tested.read([1]), expected)
    assert.equal((await train.read([0, 1])).length, 2 * 16 * 16 * 3)
  })

  test('what the options leave open is as the weights want it', async () => {
    await classes('', { cat: 6, dog: 6 })
    const wanted = { imageSize: 12, interpolation: 'bicubic', mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6] } as const
    const preferred = { ...wanted, resizeTo: (size: number) => size + 1 }
    const opened = (o: object): Promise<DatasetSplits> =>
      openDataset(dataOptionsSchema.parse({ dataset: 'imagefolder', directory: root, ...o }), {
        ...{ seed: 1, logger: silentLogger, preferred },
      })
    const { test: tested, train, indices, validation, ...rest } = await opened({})
    assert.ok(indices.test.length > 0 && validation !== null)
    assert.deepEqual(rest, { ...wanted, resizeTo: 13 })
    assert.deepEqual([tested.height, train.height], [12, 13])
    const load = { resizeTo: 13, cropTo: 12, maxPixels: 1e6 }
    const path = tested.at(0).path as string
    await sharp(Uint8Array.from({ length: 16 * 20 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24), {
      raw: { width: 20, height: 16, channels: 3 },
    })
      .png()
      .toFile(path)
    const bicubic = await loadImage(path, { ...load, interpolation: 'bicubic' })
    assert.notDeepEqual(bicubic, await loadImage(path, load))
    assert.deepEqual(await (await opened({ unreadable: 'skip' })).test.read([0]), bicubic)
    const own = await opened({ imageSize: 10, resizeTo: 14, interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] })
    assert.deepEqual(
      [own.imageSize, own.resizeTo, own.interpolation, own.mean, own.std],
      [10, 14, 'bilinear', [0, 0, 0], [1, 1, 1]],
    )
  })

  test('reading gives the pictures asked for, in that order, with and without the cache in memory', async () => {
    await classes('', { cat: 8, dog: 8 })
    for (const cacheMegabytes of [0, 16]) {
      const { train } = await open({ cache: 'off', cacheMegabytes, workers: 3 })
      const levels = async (indices: number[]): Promise<number[]> => {
        const pixels = await train.read(indices)
        return indices.map((_, row) => pixels[row * 9 * 9 * 3] as number)
      }
      const all = await levels(Array.from(train.labels.keys()))
      assert.equal(new Set(all).size, train.length)
      assert.deepEqual(await levels([5, 0, 5, 3]), [all[5], all[0], all[5], all[3]])
    }
  })

  test('nested folders, links, names of any script; hidden and foreign files are passed over and counted', async () => {
    await classes('', { cat: 2, dog: 2 })
    await put('cat/deep/er/x.png', await picture(200))
    await put('cat/-dash été 画像 🐈.PNG', await picture(201))
    await put('cat/no-extension', await picture(202))
    await put('cat/.hidden.png', await picture(203))
    await put('cat/notes.txt', 'not a picture')
    await put('.git/x.png', await picture(204))
    await put('__MACOSX/x.png', await picture(205))
    await put('README.md', 'beside the classes')
    await symlink(join(root, 'cat'), join(root, 'cat', 'loop'))
    await mkdir(join(root, '..', `${basename(root)}-elsewhere`))
    const outside = join(root, '..', `${basename(root)}-elsewhere`)
    try {
      await writeFile(join(outside, 'linked.png'), await picture(206))
      await symlink(outside, join(root, 'dog', 'linked'))
      const warnings: string[] = []
      const logger = { ...silentLogger, warn: (message: string) => warnings.push(message) }
      const { train } = await findImages(root, logger)
      assert.deepEqual(train.classNames, ['cat', 'dog'])
      assert.deepEqual(
        train.files.map(({ path, label }) => `${label} ${path.slice(root.length + 1)}`),
        [
          '0 cat/-dash été 画像 🐈.PNG',
          '0 cat/00.png',
          '0 cat/01.png',
          '0 cat/deep/er/x.png',
          '0 cat/no-extension',
          '1 dog/00.png',
          '1 dog/01.png',
          '1 dog/linked/linked.png',
        ],
      )
      assert.deepEqual(warnings.length, 1)
      assert.match(warnings[0] as string, /1 files are no pictures/)
    } finally {
      await rm(outside, { recursive: true })
    }
  })

  test('a pipe is passed over, whatever its name: it would be waited for', async () => {
    await classes('', { cat: 4, dog: 4 })
    execFileSync('mkfifo', [join(root, 'cat', 'pipe.jpg'), join(root, 'dog', 'pipe')])
    const said: string[] = []
    const { train } = await findImages(root, { ...silentLogger, warn: (text) => said.push(text) })
    assert.equal(train.files.length, 8)
    assert.match(said.join(), /2 files are no pictures/)
  })

  test('class names of another Unicode form are the same class', async () => {
    await classes('train/', { ['e\u0301te\u0301']: 4, hiver: 4 })
    await classes('test/', { ['\u00e9t\u00e9']: 2, hiver: 2 })
    assert.deepEqual((await open()).test.classNames, ['hiver', '\u00e9t\u00e9'])
  })

  test('what cannot be used is refused by name', async () => {
    await assert.rejects(open({ directory: join(root, 'none') }), refuses(/no such folder/, /data\.directory/))
    await put('file', 'x')
    await assert.rejects(open({ directory: join(root, 'file') }), refuses(/it is a file/))
    await assert.rejects(open(), refuses(/at least 2 folders, one for each class, but found 0/))
    await classes('', { cat: 3 })
    await assert.rejects(open(), refuses(/found 1/))
    await mkdir(join(root, 'otter'))
    await assert.rejects(open(), refuses(/class "otter" has no images/))
    await put('otter/0.png', await picture(1))
    await assert.rejects(open(), refuses(/class "otter" has 1 image; at least 2 are needed/))
    await put('otter/1.png', await picture(2))
    await open()
    await assert.rejects(open({ resizeTo: 7 }), refuses(/resize_to of at least the image size 8 but got 7/))
  })

  test('folders without any picture, and parts that disagree on classes, are refused', async () => {
    await put('cat/a.txt', 'x')
    await put('dog/b.txt', 'x')
    await assert.rejects(open(), refuses(/pictures in the class folders but found none/))
    await classes('train/', { cat: 3, dog: 3 })
    await classes('test/', { cat: 1, dog: 1, zebra: 1 })
    await assert.rejects(open(), refuses(/found "zebra" too/))
    await rm(join(root, 'test', 'zebra'), { recursive: true })
    await rm(join(root, 'test', 'dog'), { recursive: true })
    await assert.rejects(open(), refuses(/class "dog" has no images/))
  })

  describe('unreadable files', () => {
    beforeEach(async () => {
      await classes('', { cat: 20, dog: 20 })
      const whole = await picture(9, 64, 64, 'jpeg')
      await put('cat/03.png', whole.subarray(0, whole.length / 2))
      await put('dog/04.png', '')
    })

    test('fail: every such file is named at once, before anything is trained', async () => {
      const errors: string[] = []
      const logger = { ...silentLogger, error: (message: string) => errors.push(message) }
      await assert.rejects(
        open({ unreadable: 'fail' }, 1, logger),
        refuses(/2 of 40 files cannot be read/, /set data\.unreadable to "skip"/, /cat\/03\.png/),
      )
      assert.equal(errors.length, 2)
      assert.match(errors.join(' '), /cat\/03\.png: the picture is damaged.*dog\/04\.png: .*the file is empty/)
    })

    test('skip: they are left out of every part before it is split, named and counted', async () => {
      const warnings: string[] = []
      const logger = { ...silentLogger, warn: (message: string) => warnings.push(message) }
      const { train, validation, test: tested } = await open({ unreadable: 'skip', maxBadFraction: 0.1 }, 1, logger)
      const parts = [...paths(train), ...paths(validation), ...paths(tested)]
      assert.equal(parts.length, 38)
      assert.ok(!parts.includes('cat/03.png') && !parts.includes('dog/04.png'))
      assert.deepEqual(train.unreadable.map(({ path }) => path.slice(root.length + 1)), ['cat/03.png', 'dog/04.png'])
      assert.deepEqual(tested.unreadable.length, 2)
      assert.ok(warnings.some((text) => /2 of 40 files cannot be read and were left out/.test(text)))
      for (const part of [train, validation, tested]) {
        const pixels = await part?.read(Array.from(part.labels.keys()))
        assert.equal(pixels?.length, (part?.length ?? 0) * (part?.height ?? 0) ** 2 * 3)
        for (let i = 0; i < (part?.length ?? 0); i++)
          assert.ok((part?.at(i).path as string).includes(part?.labels[i] === 0 ? '/cat/' : '/dog/'))
      }
    })

    test('skip: more than the accepted share is an error that names the first', async () => {
      await assert.rejects(open({ unreadable: 'skip', maxBadFraction: 0.04 }), refuses(/2 of 40 files/, /cat\/03\.png/))
    })

    test('a file that vanishes after it was checked is named', async () => {
      const { train } = await open({ unreadable: 'skip', maxBadFraction: 0.1, cache: 'off', cacheMegabytes: 0 })
      await unlink(train.at(0).path as string)
      await assert.rejects(train.read([0]), refuses(/cannot be read \(ENOENT/))
    })
  })

  test('an aborted read ends with the reason', async () => {
    await classes('', { cat: 4, dog: 4 })
    const { train } = await open()
    const reason = new Error('stop')
    await assert.rejects(train.read([0, 1], AbortSignal.abort(reason)), (e) => e === reason)
  })

  test('a restored split gives the same parts, whatever the seed, and says when it no longer fits', async () => {
    await classes('', { cat: 12, dog: 12 })
    const first = await open({}, 1)
    const options = dataOptionsSchema.parse({ dataset: 'imagefolder', directory: root, imageSize: 8 })
    const again = await openDataset(options, { seed: 99, logger: silentLogger, split: first.indices })
    assert.deepEqual([paths(again.train), paths(again.validation), paths(again.test)], [paths(first.train), paths(first.validation), paths(first.test)])
    assert.notDeepEqual((await open({}, 99)).indices, first.indices)
    const split = { ...first.indices, test: [1000] }
    await assert.rejects(openDataset(options, { seed: 1, logger: silentLogger, split }), refuses(/lists sample 1000 in its test part/))
  })
})
