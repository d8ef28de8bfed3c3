import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import sharp from 'sharp'
import type { Sharp } from 'sharp'
import {
  MemoryDataset,
  dataOptionsSchema,
  fingerprint,
  inspectDataset,
  inspectionReaders,
  labelIssues,
  nearDuplicates,
  openParts,
  trackWithDvc,
  writeClassFolders,
} from '../../../src/data/index.ts'
import type { Inspection } from '../../../src/data/index.ts'
import { DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { put } from '../../support/dataset-fixtures.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trivium-inspect-'))
})
afterEach(() => rm(root, { recursive: true }))
/** Written by dvc 3 (`dvc add raw single.bin`) for the files of the test below. */
const DVC_FOLDER = 'outs:\n- md5: 37c57f21b9e0db8a08c3172c872a63b8.dir\n  size: 10\n  nfiles: 5\n  hash: md5\n  path: raw\n'
const DVC_FILE = 'outs:\n- md5: f97c5d29941bfb1b2fdab0874906ab82\n  size: 3\n  hash: md5\n  path: single.bin\n'

const at = (path: string): string => join(root, path)

/** A picture of coarse structure; others with another seed. */
function scene(seed: number, side = 80): Uint8Array {
  const pixels = new Uint8Array(side * side * 3)
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const cell = Math.floor((y * 8) / side) * 8 + Math.floor((x * 8) / side)
      const level = Math.imul((cell + 1) * (seed + 7), 2654435761) >>> 24
      pixels.fill(level, (y * side + x) * 3, (y * side + x) * 3 + 3)
    }
  }
  return pixels
}
const file = (seed: number): Sharp => sharp(scene(seed), { raw: { width: 80, height: 80, channels: 3 } })
const png = (picture: Sharp): Promise<Buffer> => picture.png().toBuffer()

async function inspected(): Promise<Inspection> {
  const options = dataOptionsSchema.parse({ dataset: 'imagefolder', directory: root, cache: 'off' })
  const { opened } = await openParts(options, { seed: 0, logger: silentLogger })
  return inspectDataset(inspectionReaders(opened, options, 64), {})
}

describe('inspection', () => {
  test('of a set in memory, too, ends when it is told to', async () => {
    const options = dataOptionsSchema.parse({ dataset: 'digits' })
    const { opened } = await openParts(options, { seed: 0, logger: silentLogger })
    const stop = new AbortController()
    const reason = new Error('stop')
    const progress = (): void => stop.abort(reason)
    await assert.rejects(
      inspectDataset(inspectionReaders(opened, options, 64), { signal: stop.signal, progress }),
      (e) => e === reason,
    )
  })

  test('finds duplicates, leaks, conflicts, damage, sizes and balance in a folder that has them', async () => {
    for (let i = 0; i < 6; i++) await put(at(`train/cat/${i}.png`), await png(file(i)))
    for (let i = 6; i < 9; i++) await put(at(`train/dog/${i}.png`), await png(file(i)))
    await put(at('train/dog/same bytes as cat 0.png'), await png(file(0)))
    await put(at('train/cat/9.png'), 'no picture')
    for (let i = 20; i < 22; i++) await put(at(`test/cat/${i}.png`), await png(file(i)))
    for (let i = 30; i < 32; i++) await put(at(`test/dog/${i}.png`), await png(file(i)))
    await put(at('test/cat/smaller cat 3.jpg'), await file(3).resize(72, 72).jpeg({ quality: 80 }).toBuffer())
    const found = await inspected()
    const names = (groups: Inspection['leaks']): string[][] => groups.map((group) => group.map(({ name }) => name.slice(root.length + 1)))
    assert.deepEqual(found.parts, [
      { name: 'train', count: 11, classCounts: [7, 4] },
      { name: 'test', count: 5, classCounts: [3, 2] },
    ])
    assert.deepEqual(names(found.exactDuplicates), [['train/cat/0.png', 'train/dog/same bytes as cat 0.png']])
    assert.deepEqual(names(found.nearDuplicates), [['train/cat/3.png', 'test/cat/smaller cat 3.jpg']])
    assert.deepEqual(found.leaks, found.nearDuplicates)
    assert.deepEqual(found.conflicts, found.exactDuplicates)
    assert.deepEqual(found.unreadable.map(({ path }) => path), [at('train/cat/9.png')])
    assert.deepEqual(found.dimensions, [
      { height: 80, width: 80, count: 14 },
      { height: 72, width: 72, count: 1 },
    ])
  })

  test('mean and deviation are those of the training part', async () => {
    const plain = (level: number): Promise<Buffer> =>
      sharp({ create: { width: 9, height: 9, channels: 3, background: { r: level, g: 0, b: 255 } } }).png().toBuffer()
    for (const part of ['train', 'test'])
      for (const [i, name] of ['a', 'b'].entries()) await put(at(`${part}/${name}/x.png`), await plain(part === 'train' ? 100 + 100 * i : 7))
    const { mean, std, nearDuplicates: near } = await inspected()
    assert.deepEqual(mean.map((value) => Math.round(value * 255 * 1000) / 1000), [150, 0, 255])
    assert.deepEqual([Math.round((std[0] as number) * 255 * 1000) / 1000, std[1], std[2]], [50, 1, 1])
    assert.deepEqual(near, [], 'plain pictures are no near duplicates')
  })

  test('near duplicates agree with comparing every pair', () => {
    const prints = Array.from({ length: 120 }, (_, i) => {
      const pixels = scene(i % 40, 32)
      // Every third round is a little brighter, every second has a dark corner.
      return fingerprint(pixels.map((value, place) => (i >= 80 ? Math.min(255, value + 3) : i >= 40 && place < 6 * 96 && place % 96 < 24 ? 0 : value)), 32)
    })
    const groups = nearDuplicates(prints)
    assert.equal(groups.length, 40)
    for (const group of groups) assert.ok(group.includes((group[0] as number) + 80), String(group))
    assert.ok(groups.every((group) => new Set(group.map((i) => i % 40)).size === 1))
  })
})

describe('suspicious labels', () => {
  test('follow confident learning: the thresholds are the classes’ own mean probabilities', () => {
    // Class 0 is predicted timidly (mean 0.5), class 1 surely (mean 0.8).
    const probabilities = [[0.6, 0.4], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]
    const labels = [0, 0, 0, 1, 1, 1]
    // Sample 2: 0.7 for class 1 stays below 0.8, so that it is not suspicious; sample 5 neither reaches 0.8 nor 0.5.
    assert.deepEqual(labelIssues(labels, probabilities), [])
    const wrong = labelIssues([0, 0, 1, 1, 1, 0], [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.95, 0.05], [0.1, 0.9]])
    assert.deepEqual(wrong.map(({ index, label, suggested }) => [index, label, suggested]), [
      [4, 1, 0],
      [5, 0, 1],
    ])
    assert.deepEqual(labelIssues([], []), [])
  })
})

describe('prepare', () => {
  const dataset = new MemoryDataset({
    name: 'two',
    classNames: ['T-shirt/top', 'é'],
    labels: Int32Array.of(0, 1, 0),
    height: 2,
    width: 3,
    pixels: Uint8Array.from({ length: 3 * 18 }, (_, i) => i * 4),
  })

  test('writes class folders whose pictures are the data set’s, all or nothing', async () => {
    assert.equal(await writeClassFolders([{ name: 'train', dataset }], at('out'), {}), 3)
    assert.deepEqual((await readdir(at('out'), { recursive: true })).sort(), [
      ...['train', 'train/T-shirt_top', 'train/T-shirt_top/00000.png', 'train/T-shirt_top/00002.png', 'train/é', 'train/é/00001.png'],
    ])
    const pixels = await sharp(await readFile(at('out/train/é/00001.png'))).raw().toBuffer()
    assert.deepEqual(new Uint8Array(pixels), await dataset.read([1]))
    await assert.rejects(writeClassFolders([{ name: 'train', dataset }], at('out'), {}), (e) => e instanceof DatasetError && /expected an empty folder/.test(e.message))
    const reason = new Error('stop')
    await assert.rejects(writeClassFolders([{ name: 'train', dataset }], at('other'), { signal: AbortSignal.abort(reason) }), (e) => e === reason)
    assert.deepEqual(await readdir(root), ['out'])
  })
})

describe('track', () => {
  test('a folder’s .dvc file is the one that DVC 3 writes', async () => {
    await put(at('raw/a.txt'), 'a')
    await put(at('raw/é 画.bin'), 'bé')
    await put(at('raw/sub/c'), 'c')
    await put(at('raw/sub/q"x'), 'q"\\')
    await put(at('raw/B'), 'ff')
    await put(at('single.bin'), 'one')
    await writeFile(at('.gitignore'), '/other')
    const tracked = await trackWithDvc(`${at('raw')}/`)
    assert.equal(await readFile(at('raw.dvc'), 'utf8'), DVC_FOLDER)
    await trackWithDvc(at('single.bin'))
    assert.equal(await readFile(at('single.bin.dvc'), 'utf8'), DVC_FILE)
    assert.equal(await readFile(at('.gitignore'), 'utf8'), '/other\n/raw\n/single.bin\n')
    assert.deepEqual([tracked.files, tracked.ignored], [5, true])
    assert.equal((await trackWithDvc(at('raw'))).ignored, false)
    const list = ['B', 'a.txt', 'sub/c', 'sub/q\\"x', '\\u00e9 \\u753b.bin']
    const content = ['ff', 'a', 'c', 'q"\\', 'bé']
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex')
    const json = `[${list.map((name, i) => `{"md5": "${md5(content[i] as string)}", "relpath": "${name}"}`).join(', ')}]`
    assert.equal(tracked.md5, `${md5(json)}.dir`)
  })

  test('what is missing, empty or has rules of its own is refused', async () => {
    await assert.rejects(trackWithDvc(at('none')), (e) => e instanceof DatasetError && /there is none/.test(e.message))
    await put(at('raw/.dvcignore'), '*.tmp')
    await assert.rejects(trackWithDvc(at('raw')), (e) => e instanceof DatasetError && /\.dvcignore/.test(e.message))
  })

  test('what is no data, or a link inside that leads to no file, is refused by name; nothing is written', async () => {
    const refused = (path: string, pattern: RegExp): Promise<void> =>
      assert.rejects(trackWithDvc(path), (e) => e instanceof DatasetError && pattern.test(e.message))
    await put(at('raw/sub/a'), 'a')
    await put(at('old.dvc'), '')
    for (const path of ['/', '.', `${at('raw')}/..`]) await refused(path, /expected the name of a file or folder/)
    await refused(at('old.dvc'), /a \.dvc file is what DVC keeps/)
    await symlink(at('nowhere'), at('raw/gone'))
    await refused(at('raw'), /raw\/gone: .* a link to nothing/)
    await rm(at('raw/gone'))
    await symlink(at('raw/sub'), at('raw/again'))
    await refused(at('raw'), /raw\/again: .* a link to a folder/)
    assert.deepEqual((await readdir(root)).sort(), ['old.dvc', 'raw'])
  })

  test('the line in .gitignore means this name alone', async () => {
    await put(at('a[1]!'), 'x')
    await trackWithDvc(at('a[1]!'))
    assert.equal(await readFile(at('.gitignore'), 'utf8'), '/a\\[1\\]\\!\n')
  })
})
