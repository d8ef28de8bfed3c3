import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import type { JpegOptions, Sharp } from 'sharp'
import { decodeBatch, jpegLibrary } from '../../../src/binding/index.ts'
import { loadImage } from '../../../src/data/index.ts'
import { PictureLoader } from '../../../src/data/load-pictures.ts'
import { fileSource } from '../../../src/data/source.ts'
import { DatasetError } from '../../../src/util/errors.ts'

const skip = jpegLibrary() === '' ? 'the addon was built without libjpeg-turbo' : false
const geometry = { resizeTo: 24, cropTo: 20, maxPixels: 1e6 }

function noise(width: number, height: number, channels: 1 | 3 | 4): Sharp {
  const bytes = Uint8Array.from({ length: width * height * channels }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24)
  return sharp(bytes, { raw: { width, height, channels } })
}

/** libjpeg-turbo's result, or null when it leaves the picture to sharp. */
async function fast(source: string | readonly [string, number, number] | Uint8Array): Promise<Uint8Array | null> {
  const { pixels, done } = await decodeBatch([source], { ...geometry, threads: 1 })
  return done[0] === 1 ? pixels : null
}

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trivium-jpeg-'))
})
after(() => rm(folder, { recursive: true }))

describe('JPEG on native threads', { skip }, () => {
  const encodings: readonly JpegOptions[] = [
    {},
    { progressive: true },
    { chromaSubsampling: '4:4:4' },
    { quality: 20 },
    { mozjpeg: true },
    { optimiseScans: true, progressive: true },
  ]
  for (const o of encodings) {
    test(`gives sharp's pixels exactly: ${JSON.stringify(o)}`, async () => {
      for (const [width, height] of [
        [1, 1],
        [2, 3],
        [17, 33],
        [64, 48],
        [301, 13],
      ] as const) {
        for (const channels of [1, 3] as const) {
          const file = await noise(width, height, channels).jpeg(o).toBuffer()
          assert.deepEqual(await fast(file), await loadImage(file, geometry), `${width} × ${height} × ${channels}`)
        }
      }
    })
  }

  test('turns the picture as each of the eight EXIF orientations says, as sharp does', async () => {
    const plain = await noise(40, 26, 3).jpeg().toBuffer()
    const seen = new Set<string>()
    for (let orientation = 1; orientation <= 8; orientation++) {
      const file = await sharp(plain).withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer()
      const pixels = await fast(file)
      assert.deepEqual(pixels, await loadImage(file, geometry), String(orientation))
      seen.add(Buffer.from(pixels).toString('base64'))
    }
    assert.equal(seen.size, 8)
  })

  test('leaves a colour profile alone, as sharp is told to and Pillow does', async () => {
    const file = await noise(30, 30, 3).withIccProfile('p3').jpeg().toBuffer()
    assert.ok(((await sharp(file).metadata()).icc?.length ?? 0) > 0)
    assert.deepEqual(await fast(file), await loadImage(file, geometry))
  })

  test('leaves CMYK, damage, other formats, too many pixels and missing files to sharp', async () => {
    const good = await noise(64, 64, 3).jpeg().toBuffer()
    const cases: [string, string | Uint8Array][] = [
      ['CMYK', await noise(30, 30, 3).toColourspace('cmyk').jpeg().toBuffer()],
      ['half a file', good.subarray(0, good.length / 2)],
      ['without its last byte', good.subarray(0, good.length - 1)],
      ['garbage inside', Buffer.concat([good.subarray(0, 700), Buffer.from([0xff, 0xc4, 0, 9]), good.subarray(704)])],
      ['PNG', await noise(30, 30, 3).png().toBuffer()],
      ['too large', await sharp({ create: { width: 1001, height: 1000, channels: 3, background: 'red' } }).jpeg().toBuffer()],
      ['nothing', new Uint8Array()],
      ['three bytes', Uint8Array.of(0xff, 0xd8, 0xff)],
      ['a folder', folder],
      ['no file', join(folder, 'none.jpg')],
    ]
    for (const [what, source] of cases) assert.equal(await fast(source), null, what)
  })

  test('reads a part of a file where it is told to, and nothing beyond its end', async () => {
    const file = await noise(50, 40, 3).jpeg().toBuffer()
    const path = join(folder, 'shard')
    await writeFile(path, Buffer.concat([Buffer.alloc(777, 1), file, Buffer.alloc(99, 2)]))
    const expected = await loadImage(file, geometry)
    assert.deepEqual(await fast([path, 777, file.length]), expected)
    assert.equal(await fast([path, 777, file.length + 100]), null)
    assert.equal(await fast([path, 1e6, 10]), null)
  })

  test('the batch is in order and the same for any number of threads; sizes are those before resampling', async () => {
    const files = await Promise.all(Array.from({ length: 9 }, (_, i) => noise(30 + i, 50 - i, 3).jpeg().toBuffer()))
    const one = await decodeBatch(files, { ...geometry, threads: 1 })
    const many = await decodeBatch(files, { ...geometry, threads: 5 })
    assert.deepEqual(many, one)
    assert.deepEqual(Array.from(one.sizes.subarray(0, 4)), [50, 30, 49, 31])
    const size = 20 * 20 * 3
    for (const [row, file] of files.entries())
      assert.deepEqual(one.pixels.slice(row * size, (row + 1) * size), await loadImage(file, geometry))
  })

  test('mutated files end in sharp’s pixels or are left to sharp', async () => {
    const file = await noise(40, 40, 3).withMetadata({ orientation: 6 }).jpeg().toBuffer()
    let state = 99
    const random = (bound: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * bound)
    }
    let both = 0
    for (let round = 0; round < 1500; round++) {
      const bytes = Buffer.from(file)
      for (let change = 0; change <= random(3); change++) bytes[random(bytes.length)] = random(256)
      const pixels = await fast(bytes)
      if (pixels === null) continue
      both++
      const other = await loadImage(bytes, geometry).catch((error: unknown) => error)
      assert.ok(!(other instanceof Error), String(other))
      assert.deepEqual(pixels, other, `round ${round}`)
    }
    assert.ok(both > 50, `${both} were decoded`)
  })
})

describe('a loader of pictures', () => {
  test('both decoders give the same batch of mixed files, and name the ones that fail', async () => {
    const files = [
      ['a.jpg', await noise(40, 30, 3).jpeg().toBuffer()],
      ['b.png', await noise(40, 30, 4).png().toBuffer()],
      ['c.jpg', Buffer.from('no picture')],
      ['d.jpg', await noise(40, 30, 3).toColourspace('cmyk').jpeg().toBuffer()],
      ['e.webp', await noise(30, 30, 3).webp().toBuffer()],
    ] as const
    for (const [name, bytes] of files) await writeFile(join(folder, name), bytes)
    const source = fileSource({
      name: 'mixed',
      classNames: ['x', 'y'],
      files: [...files.map(([name]) => ({ path: join(folder, name), label: 0 })), { path: join(folder, 'gone.jpg'), label: 1 }],
      root: folder,
    })
    const indices = [5, 4, 3, 2, 1, 0, 0]
    const load = (decoder: 'auto' | 'sharp') =>
      new PictureLoader(source, { ...geometry, decoder, workers: 2 }).load(indices)
    const [fastest, plain] = [await load('auto'), await load('sharp')]
    assert.deepEqual(fastest.pixels, plain.pixels)
    assert.deepEqual(fastest.sizes, plain.sizes)
    for (const { failures } of [fastest, plain]) {
      assert.deepEqual(failures.map((failure) => failure !== null), [true, false, false, true, false, false, false])
      assert.match(failures[0]?.message ?? '', /gone\.jpg: the file cannot be read \(ENOENT/)
      assert.match(failures[3]?.message ?? '', /c\.jpg: expected a JPEG/)
      assert.ok(failures[0] instanceof DatasetError)
    }
    assert.equal(await readFile(join(folder, 'c.jpg'), 'utf8'), 'no picture')
  })
})
