import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { dataOptionsSchema, openDataset } from '../../../src/data/index.ts'
import type { Dataset, DatasetName, DatasetSplits } from '../../../src/data/index.ts'
import { parseCsv } from '../../../src/data/formats/csv.ts'
import { partOfPath } from '../../../src/data/formats/parts.ts'
import { DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { fixtures, idx, parquetFiles, picture, put, tar } from '../../support/dataset-fixtures.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trivium-formats-'))
})
afterEach(() => rm(root, { recursive: true }))

const open = (dataset: DatasetName, o: object = {}): Promise<DatasetSplits> =>
  openDataset(
    dataOptionsSchema.parse({ dataset, directory: root, imageSize: 6, cache: 'off', validationFraction: 0, ...o }),
    { seed: 1, logger: silentLogger },
  )
const at = (path: string): string => join(root, path)
const level = async (dataset: Dataset, index: number): Promise<number> => (await dataset.read([index]))[0] as number
const refuses =
  (...patterns: RegExp[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof DatasetError, String(error))
    for (const pattern of patterns) assert.match(error.message, pattern)
    return true
  }
const fixture = (name: string): Promise<Record<string, unknown>> =>
  (fixtures[name] as (root: string) => Promise<Record<string, unknown>>)(root)

describe('idx', () => {
  async function put4(o: { images?: Buffer; labels?: Buffer } = {}): Promise<void> {
    const values = Array.from({ length: 4 * 2 * 3 }, (_, i) => i * 10)
    await put(at('train-images-idx3-ubyte'), o.images ?? idx([4, 2, 3], values))
    await put(at('train-labels-idx1-ubyte'), o.labels ?? idx([4], [1, 0, 1, 0]))
  }

  test('pictures keep their values at their own size, grey in three channels; labels and classes.txt name them', async () => {
    await put(at('train-images-idx3-ubyte'), idx([4, 2, 2], Array.from({ length: 16 }, (_, i) => i * 10)))
    await put(at('train-labels-idx1-ubyte.gz'), gzipSync(idx([4], [1, 0, 1, 0])))
    await put(at('t10k-images-idx3-ubyte.gz'), gzipSync(idx([2, 2, 2], [9, 8, 7, 6, 5, 4, 3, 2])))
    await put(at('t10k-labels-idx1-ubyte'), idx([2], [0, 1]))
    await put(at('classes.txt'), 'zero\none\n')
    const { train, test: tested, mean } = await open('idx', { imageSize: 2 })
    assert.deepEqual(Array.from(await train.read([1])), [40, 40, 40, 50, 50, 50, 60, 60, 60, 70, 70, 70])
    assert.deepEqual(Array.from(train.labels), [1, 0, 1, 0])
    assert.deepEqual(Array.from((await tested.read([0])).filter((_, i) => i % 3 === 0)), [9, 8, 7, 6])
    assert.deepEqual(train.classNames, ['zero', 'one'])
    assert.deepEqual(mean, Array(3).fill(Math.round((75 / 255) * 1e4) / 1e4))
  })

  test('wrong type, shape, length, count, pair: each is named', async () => {
    const cases: [Parameters<typeof put4>[0], RegExp][] = [
      [{ images: Buffer.from([0, 0, 0x0d, 3]) }, /begins otherwise/],
      [{ images: Buffer.concat([Buffer.from([0, 0, 0x0d, 3]), Buffer.alloc(12)]) }, /type 13/],
      [{ images: idx([4, 2, 3], [1, 2]) }, /expected 24 values \(4 × 2 × 3\) but got 2/],
      [{ labels: idx([3], [0, 1, 1]) }, /expected 4 labels, one for each picture .* but got 3/],
      [{ images: idx([24], Array(24).fill(0) as number[]) }, /3 or 4 dimensions/],
      [{ images: Buffer.from([0x1f, 0x8b, 1, 2]) }, /gzip file is damaged/],
      [{ images: idx([4, 2, 3, 2], Array(48).fill(0) as number[]) }, /grey or RGB/],
    ]
    for (const [o, pattern] of cases) {
      await put4(o)
      await assert.rejects(open('idx'), refuses(pattern))
    }
    await rm(at('train-labels-idx1-ubyte'))
    await assert.rejects(open('idx'), refuses(/expected train-labels-idx1-ubyte beside it/))
    await rm(at('train-images-idx3-ubyte'))
    await assert.rejects(open('idx'), refuses(/Check data.directory/))
    await put4()
    await put(at('classes.txt'), 'only\n')
    await assert.rejects(open('idx'), refuses(/go up to 1 but there are 1 class names/))
  })

  test('a published set that is missing says where each file comes from', async () => {
    await assert.rejects(
      open('mnist', { download: false }),
      refuses(/MNIST is not in/, /train-images-idx3-ubyte\.gz, train-labels/, /https:\/\/.*t10k-labels/, /switched off/),
    )
    for (const part of ['train', 't10k']) {
      await put(at(`MNIST/raw/${part}-images-idx3-ubyte`), idx([4, 2, 2], Array(16).fill(3) as number[]))
      await put(at(`MNIST/raw/${part}-labels-idx1-ubyte`), idx([4], [1, 0, 9, 9]))
    }
    assert.equal((await open('mnist', { download: false })).train.classNames.length, 10)
  })
})

describe('manifest', () => {
  test('CSV with quotes, CRLF and a byte-order mark; columns by their usual or given names; labels in code-point order', async () => {
    for (let i = 0; i < 4; i++) await put(at(`im/${i}, é.png`), await picture(50 + i))
    const rows = [0, 1, 2, 3].map((i) => `"im/${i}, é.png",${i % 2 ? 'dog' : 'cat'},x`)
    await put(at('list.csv'), `\ufefffilename,class,note\r\n${rows.join('\r\n')}\r\n\r\n`)
    const { train, test: tested } = await open('manifest', { testFraction: 0.5 })
    assert.deepEqual([train.length, tested.length, train.classNames], [2, 2, ['cat', 'dog']])
    assert.equal(await level(train, 0), 50 + Number(/(\d), é/.exec(train.at(0).path as string)?.[1]))
    const named = await open('manifest', { testFraction: 0.5, imageColumn: 'filename', labelColumn: 'note' }).catch((e: unknown) => e)
    refuses(/at least 2 classes/)(named)
  })

  test('JSON lines; numeric labels are classes in numeric order; parts by split', async () => {
    const lines: string[] = []
    for (const [i, split] of ['train', 'train', 'train', 'train', 'val', 'test'].entries()) {
      await put(at(`${i}.png`), await picture(50 + i))
      lines.push(JSON.stringify({ path: `${i}.png`, label: i % 2 ? 10 : 9, split }))
    }
    await put(at('list.jsonl'), lines.join('\n'))
    const { train, validation, test: tested } = await open('manifest', { manifest: at('list.jsonl') })
    assert.deepEqual(train.classNames, ['9', '10'])
    assert.deepEqual([train.length, validation?.length, tested.length], [4, 1, 1])
    assert.deepEqual([await level(validation as Dataset, 0), await level(tested, 0)], [54, 55])
  })

  const cases: readonly [name: string, file: string, content: string, ...patterns: RegExp[]][] = [
    ['a missing column', 'l.csv', 'path,kind\na.png,x\n', /l\.csv: expected a column "label" but there are path, kind/, /data\.label_column/],
    ['a short row', 'l.csv', 'path,label\na.png,x\na.png\n', /l\.csv:3: expected 2 fields/],
    ['an empty label', 'l.csv', 'path,label\na.png,\n', /l\.csv:2: the label is empty/],
    ['an open quote', 'l.csv', 'path,label\n"a.png,x\n', /l\.csv:2: the quote that opens here/],
    ['text behind a quote', 'l.csv', 'path,label\n"a"b.png,x\n', /l\.csv:2: expected "," or a line end/],
    ['an unknown split', 'l.csv', 'path,label,split\na.png,x,train\nb.png,y,holdout\n', /l\.csv:3: expected split train, val or test but got "holdout"/],
    ['a picture twice', 'l.csv', 'path,label\na.png,x\n./a.png,y\n', /l\.csv:3: \.\/a\.png is on line 2 too/],
    ['a missing file', 'l.csv', 'path,label\na.png,x\n\nnone.png,y\nno.png,x\n', /l\.csv:4: there is no file .*none\.png \(and 1 more/],
    ['no rows', 'l.csv', 'path,label\n', /expected a line for each picture/],
    ['no training part', 'l.csv', 'path,label,split\na.png,x,test\nb.png,y,test\n', /split "train"/],
    ['broken JSON', 'l.jsonl', '{"path":"a.png","label":"x"}\n{"path"\n', /l\.jsonl:2: expected a JSON object/],
    ['an array', 'l.jsonl', '["a.png"]\n', /l\.jsonl:1: expected a JSON object such as/],
    ['a label that is no text', 'l.jsonl', '{"path":"a.png","label":[1]}\n', /l\.jsonl:1: expected "label" to be a text/],
    ['a label that classes.txt lacks', 'l.csv', 'path,label\na.png,one\nb.png,three\n', /l\.csv:3: expected one of the 2 classes .* got "three"/],
  ]
  for (const [name, file, content, ...patterns] of cases) {
    test(`${name} is named with its line`, async () => {
      await put(at('a.png'), await picture(1))
      await put(at('b.png'), await picture(2))
      if (name.includes('classes.txt')) await put(at('classes.txt'), 'one\ntwo')
      await put(at(file), content)
      await assert.rejects(open('manifest'), refuses(...patterns))
    })
  }

  test('which file is meant must be clear', async () => {
    await assert.rejects(open('manifest'), refuses(/found none\. Name it in data\.manifest/))
    await put(at('a.csv'), '')
    await put(at('b.tsv'), '')
    await assert.rejects(open('manifest'), refuses(/found a\.csv, b\.tsv/))
    await assert.rejects(open('manifest', { manifest: at('c.csv') }), refuses(/c\.csv: the manifest cannot be read/))
  })

  test('parseCsv › line numbers count lines inside quotes', () => {
    assert.deepEqual(parseCsv('a,b\n"x\ny",1\n"q""q",\n', 'f'), [
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['x\ny', '1'] },
      { line: 4, fields: ['q"q', ''] },
    ])
  })
})

describe('ImageNet layout', () => {
  test('the flat val/ gets its labels from the solution file and is the test part', async () => {
    await fixture('imagenet')
    const { train, test: tested } = await open('imagenet')
    assert.deepEqual(train.classNames, ['n02084071', 'n02123045'])
    assert.deepEqual([train.length, Array.from(tested.labels)], [10, [1, 0, 1, 0]])
    assert.ok(Math.abs((await level(tested, 2)) - 102) <= 1)
  })

  test('words name the classes; a word that two synsets have keeps them apart', async () => {
    await fixture('imagenet')
    await put(at('LOC_synset_mapping.txt'), 'n02123045 crane\nn02084071 crane\n')
    assert.deepEqual((await open('imagenet')).train.classNames, ['crane (n02084071)', 'crane (n02123045)'])
    await put(at('LOC_synset_mapping.txt'), 'n02123045 tabby, tabby cat\n')
    assert.deepEqual((await open('imagenet')).train.classNames, ['n02084071', 'tabby, tabby cat'])
  })

  const files: readonly [name: string, content: string, ...expected: (RegExp | number[])[]][] = [
    ['names and synsets', [0, 1, 2, 3].map((i) => `ILSVRC2012_val_0000000${i}.JPEG n02123045`).join('\n'), [1, 1, 1, 1]],
    ['names and places', [3, 2, 1, 0].map((i) => `val/ILSVRC2012_val_0000000${i}.JPEG ${i % 2}`).join('\n'), [0, 1, 0, 1]],
    ['synsets by the order of names', 'n02084071\nn02123045\nn02084071\nn02084071\n', [0, 1, 0, 0]],
    ['bare numbers', '490\n361\n171\n822\n', /labels\.txt:1: a bare number is ambiguous/],
    ['too few', 'n02084071\n', /expected 4 labels, one for each picture .* got 1/],
    ['an unknown synset', 'n02084071\nn02123045\nn99999999\nn02084071\n', /labels\.txt:3: expected one of the 2 folders of train\/ but got "n99999999"/],
    ['a picture without a line', 'ILSVRC2012_val_00000000.JPEG 0\n', /expected a line for ILSVRC2012_val_00000001\.JPEG/],
    ['a picture twice', 'a.JPEG 0\na.JPEG 1\n', /labels\.txt:2: a\.JPEG has a label already/],
  ]
  for (const [name, content, expected] of files) {
    test(`a label file of ${name}`, async () => {
      await fixture('imagenet')
      await put(at('labels.txt'), content)
      const opened = open('imagenet', { labelFile: at('labels.txt') })
      if (expected instanceof RegExp) await assert.rejects(opened, refuses(expected))
      else assert.deepEqual(Array.from((await opened).test.labels), expected)
    })
  }

  test('without labels it says which files would tell; val/ with class folders needs none', async () => {
    await fixture('imagenet')
    await rm(at('LOC_val_solution.csv'))
    await assert.rejects(open('imagenet'), refuses(/val_labels\.txt, val\.txt, LOC_val_solution\.csv beside it, or data\.label_file/))
    await rm(at('val'), { recursive: true })
    await put(at('val/n02123045/x.png'), await picture(9))
    await put(at('val/n02084071/y.png'), await picture(8))
    assert.equal((await open('imagenet')).test.length, 2)
    await rm(at('train'), { recursive: true })
    await assert.rejects(open('imagenet'), refuses(/expected train\/ with a folder for each synset/))
  })
})

const jpg = await picture(77, 12, 10, 'jpeg')

describe('WebDataset', () => {
  test('pictures are read at their places, through long names too; .json tells a label where .cls does not', async () => {
    const long = `${'d/'.repeat(70)}long`
    const record = ` path=${long}.cls\n`
    const entries: [string, Buffer | string, string?][] = [
      ['././@LongLink', `${long}.jpg\0`, 'L'],
      ['cut', jpg],
      ['pax', `${record.length + 3}${record}`, 'x'],
      ['cut', 'b'],
      ['folder/', '', '5'],
      ['1.json', '{"label": "a"}'],
      ['1.png', await picture(11)],
      ['notes', 'no dot'],
      ['2.png', await picture(22)],
      ['2.cls', 'b\n'],
      ['3.jpeg', await picture(33, 12, 10, 'jpeg')],
      ['3.json', '{"cls": "a"}'],
    ]
    await put(at('shard.tar'), tar(entries))
    const { train, test: tested } = await open('webdataset', { testFraction: 0.5 })
    const seen = new Map<string, string>()
    for (const part of [train, tested])
      for (let i = 0; i < part.length; i++)
        seen.set((part.at(i).path as string).split('#')[1] as string, part.classNames[part.labels[i] as number] as string)
    assert.deepEqual(Object.fromEntries(seen), { [`${long}.jpg`]: 'b', '1.png': 'a', '2.png': 'b', '3.jpeg': 'a' })
    // The key ends at the first dot: the ending of this label is .v2.json, which is none.
    await put(at('shard.tar'), tar([['1.v2.png', jpg], ['1.v2.json', '{"label": "a"}']]))
    await assert.rejects(open('webdataset'), refuses(/sample 1 has no label: expected 1\.cls/))
  })

  test('shards by name; class names from classes.txt', async () => {
    const { validationFraction } = { validationFraction: 0 }
    await fixture('webdataset')
    const { train, test: tested } = await open('webdataset', { validationFraction })
    assert.deepEqual(train.classNames, ['cat', 'dog'])
    assert.equal(train.length + tested.length, 10)
    assert.match(train.at(0).path as string, /train-00000\d\.tar#(cat|dog)\/\d\.jpg$/)
    const places = Array.from({ length: train.length }, (_, i) => train.at(i).path as string)
    for (const [i, path] of places.entries()) {
      const [, name, number] = /#(cat|dog)\/(\d)/.exec(path) as unknown as [string, string, string]
      const expected = 20 + (name === 'dog' ? 100 : 0) + Number(number) * 10
      assert.ok(Math.abs((await level(train, i)) - expected) <= 1, path)
    }
  })

  const cases: readonly [name: string, archive: Buffer, pattern: RegExp][] = [
    ['a sample without a picture', tar([['1.cls', '0']]), /sample 1 has no picture/],
    ['a sample of two pictures', tar([['1.jpg', jpg], ['1.png', jpg]]), /sample 1 has two pictures \(\.jpg, \.png\)/],
    ['a damaged head', Buffer.concat([Buffer.alloc(100, 'x'), tar([['1.jpg', jpg]]).subarray(100)]), /head of a tar entry at byte 0 but its checksum is wrong/],
    ['an archive that is cut off', tar([['1.jpg', jpg]]).subarray(0, 700), /ends at byte 700 inside an entry/],
    ['broken JSON', tar([['1.jpg', jpg], ['1.json', '{']]), /#1\.json: expected JSON/],
    ['one class', tar([['1.jpg', jpg], ['1.cls', '0']]), /at least 2 classes/],
  ]
  for (const [name, archive, pattern] of cases) {
    test(`${name} is named`, async () => {
      await put(at('train.tar'), archive)
      await assert.rejects(open('webdataset'), refuses(pattern))
    })
  }

  test('compressed shards, none at all and unclear parts are refused', async () => {
    await assert.rejects(open('webdataset'), refuses(/expected \.tar files but found none/))
    await put(at('train.tar'), tar([['1.jpg', jpg]]))
    await put(at('other.tar'), tar([['1.jpg', jpg]]))
    await assert.rejects(open('webdataset'), refuses(/other\.tar: expected a name that begins with train, val or test/))
    await put(at('x.tar.gz'), '')
    await assert.rejects(open('webdataset'), refuses(/x\.tar\.gz: compressed shards cannot be read at random/))
  })

  test('partOfPath › the file’s own name counts before its folders', () => {
    const names = ['train-00000-of-00002.parquet', 'a/val/0.tar', 'test_x/train-0.tar', 'x/y.tar', 'validation-1.tar', 'training/0.tar']
    assert.deepEqual(names.map(partOfPath), ['train', 'validation', 'train', null, 'validation', 'train'])
  })
})

describe('Parquet', () => {
  for (const kind of Object.keys(parquetFiles)) {
    test(`${kind}: labels, their names and pictures, over row groups`, async () => {
      await put(at('data/train-00000-of-00002.parquet'), Buffer.from(parquetFiles[kind] as string, 'base64'))
      await put(at('data/train-00001-of-00002.parquet'), Buffer.from(parquetFiles[kind] as string, 'base64'))
      await put(at('data/test-00000-of-00001.parquet'), Buffer.from(parquetFiles[kind] as string, 'base64'))
      const { train, test: tested } = await open('parquet')
      assert.deepEqual(train.classNames, ['cat', 'dog'])
      assert.deepEqual(Array.from(train.labels), [1, 0, 1, 0, 1, 0, 1, 0])
      assert.equal(tested.length, 4)
      for (const index of [7, 0, 3, 4, 1]) assert.equal(await level(train, index), 40 * ((index % 4) + 1))
      assert.match(train.at(5).path as string, /train-00001-of-00002\.parquet row 1$/)
    })
  }

  test('another file, a missing column and a changed one are named', async () => {
    await put(at('a.parquet'), 'no parquet')
    await assert.rejects(open('parquet'), refuses(/a\.parquet: expected a Parquet file/))
    await put(at('a.parquet'), Buffer.from(parquetFiles['int64 none'] as string, 'base64'))
    await assert.rejects(open('parquet', { imageColumn: 'photo' }), refuses(/expected a column "photo" but there are image, label/))
    await assert.rejects(open('parquet', { labelColumn: 'image' }), refuses(/a\.parquet row 0: expected "image" to be a number or text/))
  })

  test('mutated files end in a data set or a DatasetError', async () => {
    const good = Buffer.from(parquetFiles['int64 snappy'] as string, 'base64')
    let state = 7
    const random = (bound: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * bound)
    }
    for (let round = 0; round < 150; round++) {
      const bytes = Buffer.from(good)
      for (let change = 0; change <= random(4); change++) bytes[random(bytes.length)] = random(256)
      await put(at('a.parquet'), bytes)
      await open('parquet').catch((error: unknown) => assert.ok(error instanceof DatasetError, String((error as Error).stack)))
    }
  })
})
