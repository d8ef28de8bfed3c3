import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { c as create } from 'tar'
import { CIFAR10, CIFAR100, openCifar } from '../../../src/data/cifar.ts'
import type { CifarSpec } from '../../../src/data/cifar.ts'
import { DatasetError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const PIXELS = 3072
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const plane = (i: number, at: number): number => (i * 7 + at * 13 + (at >> 10) * 91) % 256

/** Records as the binary version has them: labels, then the planes R, G, B. */
function records(count: number, labels: (i: number) => number[]): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, i) =>
      Buffer.from([...labels(i), ...Array.from({ length: PIXELS }, (_, at) => plane(i, at))]),
    ),
  )
}

/** The same as a pickle of Python 2: {data: uint8 [count, 3072], key: [labels]}. */
function pickled(count: number, key: string, label: (i: number) => number): Buffer {
  const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
  const data = Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.from(Array.from({ length: PIXELS }, (_, at) => plane(i, at)))))
  return Buffer.concat([
    Buffer.from(`\x80\x02}(U${String.fromCharCode(key.length)}${key}](`, 'latin1'),
    ...Array.from({ length: count }, (_, i) => Buffer.from([0x4b, label(i)])),
    Buffer.from('eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01J', 'latin1'),
    u32(count),
    Buffer.from('J', 'latin1'),
    u32(PIXELS),
    Buffer.from('\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T', 'latin1'),
    u32(data.length),
    data,
    Buffer.from('tbu.', 'latin1'),
  ])
}

const trainBin = records(12, (i) => [i % 10])
const testBin = records(5, (i) => [(i + 3) % 10])
const tiny: CifarSpec = {
  ...CIFAR10,
  binary: {
    folder: 'cifar-10-batches-bin',
    train: [{ name: 'data_batch_1.bin', count: 12, sha256: sha256(trainBin) }],
    test: [{ name: 'test_batch.bin', count: 5, sha256: sha256(testBin) }],
  },
  pickles: {
    ...CIFAR10.pickles,
    train: [{ name: 'data_batch_1', count: 12 }],
    test: [{ name: 'test_batch', count: 5 }],
  },
}

let folder: string
let server: Server
let archive: Buffer
let served = 0
before(async () => {
  const source = await mkdtemp(join(tmpdir(), 'trivium-cifar-source-'))
  await mkdir(join(source, 'cifar-10-batches-bin'))
  await writeFile(join(source, 'cifar-10-batches-bin', 'data_batch_1.bin'), trainBin)
  await writeFile(join(source, 'cifar-10-batches-bin', 'test_batch.bin'), testBin)
  await create({ file: join(source, 'a.tar.gz'), cwd: source, gzip: true }, ['cifar-10-batches-bin'])
  archive = await readFile(join(source, 'a.tar.gz'))
  await rm(source, { recursive: true })
  server = createServer((_, response) => {
    served++
    // Slowly, so that a second process arrives while the first is at work.
    setTimeout(() => response.writeHead(200).end(archive), 300)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
after(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(async () => {
  served = 0
  folder = await mkdtemp(join(tmpdir(), 'trivium-cifar-'))
})
afterEach(() => rm(folder, { recursive: true }))

const online = (): CifarSpec => ({
  ...tiny,
  archive: {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/cifar-10-binary.tar.gz`,
    digest: { kind: 'sha256', value: sha256(archive) },
    size: archive.length,
    label: 'CIFAR-10',
  },
})
const offline = { logger: silentLogger, download: false }
const refuses =
  (...patterns: RegExp[]) =>
  (error: unknown): boolean =>
    error instanceof DatasetError && patterns.every((pattern) => pattern.test(error.message))

async function put(name: string, files: Record<string, Buffer>): Promise<void> {
  await mkdir(join(folder, name), { recursive: true })
  for (const [file, bytes] of Object.entries(files)) await writeFile(join(folder, name, file), bytes)
}

describe('cifar', () => {
  test('the binary layout: planes become pixels, ids run on into the test part', async () => {
    await put('cifar-10-batches-bin', { 'data_batch_1.bin': trainBin, 'test_batch.bin': testBin })
    const { train, test: tested } = await openCifar(tiny, folder, offline)
    assert.deepEqual(Array.from(train.labels), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    assert.deepEqual([train.length, tested.length, tested.at(0).id, tested.at(4)], [12, 5, 12, { id: 16, label: 7 }])
    const pixels = await train.read([3])
    for (let at = 0; at < 1024; at++) for (let c = 0; c < 3; c++) assert.equal(pixels[at * 3 + c], plane(3, c * 1024 + at))
  })

  test('the pickle layout holds the same', async () => {
    await put('cifar-10-batches-bin', { 'data_batch_1.bin': trainBin, 'test_batch.bin': testBin })
    const binary = await openCifar(tiny, folder, offline)
    await rm(join(folder, 'cifar-10-batches-bin'), { recursive: true })
    await put('cifar-10-batches-py', {
      data_batch_1: pickled(12, 'labels', (i) => i % 10),
      test_batch: pickled(5, 'labels', (i) => (i + 3) % 10),
    })
    const pickles = await openCifar(tiny, folder, offline)
    for (const part of ['train', 'test'] as const) {
      const all = Array.from(binary[part].labels.keys())
      assert.deepEqual(pickles[part].labels, binary[part].labels)
      assert.deepEqual(await pickles[part].read(all), await binary[part].read(all))
    }
  })

  test('CIFAR-100 takes the fine label, the second byte', async () => {
    const spec: CifarSpec = {
      ...CIFAR100,
      binary: { ...CIFAR100.binary, train: [{ name: 'train.bin', count: 3 }], test: [{ name: 'test.bin', count: 2 }] },
    }
    await put('cifar-100-binary', {
      'train.bin': records(3, (i) => [19, 97 + i]),
      'test.bin': records(2, (i) => [0, i]),
    })
    const { train } = await openCifar(spec, folder, offline)
    assert.deepEqual(Array.from(train.labels), [97, 98, 99])
    assert.deepEqual([train.classNames.length, train.classNames[0], train.classNames[99]], [100, 'apple', 'worm'])
    assert.equal((await train.read([1]))[0], plane(1, 0))
  })

  test('a label out of range names the file and the picture', async () => {
    await put('cifar-10-batches-bin', {
      'data_batch_1.bin': records(12, (i) => [i === 4 ? 10 : 0]),
      'test_batch.bin': testBin,
    })
    await assert.rejects(openCifar(tiny, folder, offline), refuses(/data_batch_1\.bin: picture 4 has label 10, expected one of 0–9/))
  })

  test('a file of a wrong size is refused', async () => {
    await put('cifar-10-batches-bin', { 'data_batch_1.bin': trainBin.subarray(1), 'test_batch.bin': testBin })
    await assert.rejects(openCifar(tiny, folder, offline), refuses(/expected 36876 bytes \(12 pictures\) but got 36875/))
  })

  test('a pickle with too few pictures or a wrong label is refused', async () => {
    const good = pickled(5, 'labels', () => 1)
    await put('cifar-10-batches-py', { data_batch_1: pickled(11, 'labels', () => 1), test_batch: good })
    await assert.rejects(openCifar(tiny, folder, offline), refuses(/data_batch_1: expected "data" of 12 × 3072/))
    await put('cifar-10-batches-py', { data_batch_1: pickled(12, 'labels', () => 11) })
    await assert.rejects(openCifar(tiny, folder, offline), refuses(/picture 0 has label 11/))
    await put('cifar-10-batches-py', { data_batch_1: pickled(12, 'fine_labels', () => 1) })
    await assert.rejects(openCifar(tiny, folder, offline), refuses(/12 "labels"/))
  })

  test('a missing set names the address, the files and the folder', async () => {
    const names = [/cifar-10-binary\.tar\.gz/, /data_batch_1\.bin, test_batch\.bin/, new RegExp(folder), /cifar-10-batches-py/]
    await assert.rejects(openCifar(tiny, folder, offline), refuses(/switched off \(data\.download\)/, ...names))
    const url = 'http://127.0.0.1:9/cifar-10-binary.tar.gz'
    const spec = { ...online(), archive: { ...online().archive, url } }
    const context = { logger: silentLogger, download: true, retrySeconds: 0.01 }
    await assert.rejects(openCifar(spec, folder, context), refuses(/is not in/, /127\.0\.0\.1:9/, ...names))
  })

  test('a missing set is downloaded, verified and unpacked, and only the data remains', async () => {
    const { train } = await openCifar(online(), join(folder, 'new', 'data'), { logger: silentLogger, download: true })
    assert.equal(train.length, 12)
    const left = await readdir(join(folder, 'new', 'data'))
    assert.deepEqual(left.filter((name) => !name.endsWith('.lock')), ['cifar-10-batches-bin'])
  })

  test('an archive that lies there already is unpacked without the network; a wrong one is fetched again', async () => {
    const name = join(folder, 'cifar-10-binary.tar.gz')
    await writeFile(name, archive)
    const { train } = await openCifar(online(), folder, { logger: silentLogger, download: true })
    assert.deepEqual([train.length, served, existsSync(name)], [12, 0, false])
    await rm(join(folder, 'cifar-10-batches-bin'), { recursive: true })
    await writeFile(name, Buffer.alloc(archive.length, 1))
    await openCifar(online(), folder, { logger: silentLogger, download: true })
    assert.equal(served, 1)
  })

  test('two that start at once download it once', async () => {
    const context = { logger: silentLogger, download: true }
    const opened = await Promise.all([openCifar(online(), folder, context), openCifar(online(), folder, context)])
    assert.deepEqual(
      opened.map(({ train }) => train.length),
      [12, 12],
    )
    assert.equal(served, 1)
  })

  test('an archive whose files have other sums is refused and not unpacked', async () => {
    const spec = online()
    const [first] = spec.binary.train
    const other = { ...spec, binary: { ...spec.binary, train: [{ ...first, name: 'data_batch_1.bin', count: 12, sha256: '0'.repeat(64) }] } }
    await assert.rejects(openCifar(other, folder, { logger: silentLogger, download: true }), refuses(/expected data_batch_1\.bin with SHA-256 0000/))
    assert.ok(!existsSync(join(folder, 'cifar-10-batches-bin')))
  })
})

const real = process.env['TRIVIUM_DATA'] ?? 'data'
for (const spec of [CIFAR10, CIFAR100]) {
  const absent = existsSync(join(real, spec.binary.folder)) ? false : `${join(real, spec.binary.folder)} is not there`
  test(`${spec.title}: the real files open, and mean and std are the documented constants`, { skip: absent }, async () => {
    const { train, test: tested } = await openCifar(spec, real, offline)
    assert.deepEqual([train.length, tested.length], [50000, 10000])
    const sums = [0, 0, 0]
    const squares = [0, 0, 0]
    const pixels = await train.read(Array.from(train.labels.keys()))
    pixels.forEach((value, i) => {
      sums[i % 3] = (sums[i % 3] as number) + value
      squares[i % 3] = (squares[i % 3] as number) + value * value
    })
    const count = pixels.length / 3
    for (const c of [0, 1, 2]) {
      const mean = (sums[c] as number) / count
      const std = Math.sqrt((squares[c] as number) / count - mean * mean)
      assert.ok(Math.abs(mean / 255 - (spec.mean[c] as number)) < 6e-5, `mean ${c}: ${mean / 255}`)
      assert.ok(Math.abs(std / 255 - (spec.std[c] as number)) < 6e-5, `std ${c}: ${std / 255}`)
    }
  })
}
