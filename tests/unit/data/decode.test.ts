import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { resizeAndCenterCrop } from '../../../src/binding/index.ts'
import { decodeImage, loadImage, pictureFormat } from '../../../src/data/index.ts'
import { DatasetError } from '../../../src/util/errors.ts'

interface Case {
  readonly name: string
  readonly file: string
  readonly height: number
  readonly width: number
  readonly rgb: string
  /** Largest difference allowed; −1: colours are not compared. */
  readonly tolerance: number
}
const golden = JSON.parse(await readFile(new URL('../../golden/data_decode.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
const fileOf = (name: string): Buffer => Buffer.from((golden.cases.find((c) => c.name === name) as Case).file, 'base64')
const maxPixels = 1e6

const refuses =
  (pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof DatasetError && pattern.test(error.message)

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trivium-decode-'))
})
after(() => rm(folder, { recursive: true }))

describe('decode', () => {
  for (const c of golden.cases) {
    test(`${c.name} gives the pixels that Pillow reads`, async () => {
      const { pixels, height, width } = await decodeImage(Buffer.from(c.file, 'base64'), { maxPixels })
      assert.deepEqual([height, width, pixels.length], [c.height, c.width, c.height * c.width * 3])
      if (c.tolerance < 0) return
      const expected = Buffer.from(c.rgb, 'base64')
      const worst = pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] as number))), 0)
      assert.ok(worst <= c.tolerance, `differs by ${worst}`)
    })
  }

  test('CMYK comes out in the colours that it was made from, which a plain inversion does not give', async () => {
    for (const colour of [
      { r: 180, g: 100, b: 90 },
      { r: 90, g: 130, b: 100 },
      { r: 235, g: 235, b: 235 },
    ]) {
      const made = sharp({ create: { width: 16, height: 16, channels: 3, background: colour } })
      const file = await made.toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer()
      assert.equal((await sharp(file).metadata()).channels, 4)
      const { pixels } = await decodeImage(file, { maxPixels })
      const expected = [colour.r, colour.g, colour.b]
      for (const [i, value] of pixels.entries()) assert.ok(Math.abs(value - (expected[i % 3] as number)) <= 30, `${i}: ${value}`)
    }
  })

  test('the content decides, not the name', async () => {
    const path = join(folder, 'a png.jpg')
    await writeFile(path, fileOf('rgb png'))
    assert.deepEqual(
      (await decodeImage(path, { maxPixels })).pixels,
      (await decodeImage(fileOf('rgb png'), { maxPixels })).pixels,
    )
  })

  test('each format is told by its first bytes', () => {
    const formats = ['rgb png', 'grey jpeg', 'lossless webp', 'animated gif', 'tiff', 'avif']
    assert.deepEqual(
      formats.map((name) => pictureFormat(fileOf(name))),
      ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'],
    )
    assert.equal(pictureFormat(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')), null)
    assert.equal(pictureFormat(Buffer.from('%PDF-1.7')), null)
  })

  test('a truncated file of any format is refused by name', async () => {
    const path = join(folder, 'été_画像.jpg')
    const noise = Buffer.from(Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 24))
    const picture = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    for (const format of ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const) {
      const whole = await picture.clone().toFormat(format).toBuffer()
      await decodeImage(whole, { maxPixels })
      await writeFile(path, whole.subarray(0, whole.length / 2))
      await assert.rejects(decodeImage(path, { maxPixels }), refuses(/été_画像\.jpg: .*(damaged)/), format)
    }
  })

  test('an empty file, a text, an SVG and a missing file are refused', async () => {
    const empty = join(folder, 'empty.png')
    await writeFile(empty, '')
    await assert.rejects(decodeImage(empty, { maxPixels }), refuses(/empty\.png: expected .* the file is empty/))
    await assert.rejects(decodeImage(Buffer.from('hello, world'), { maxPixels }), refuses(/it starts with 68 65 6c/))
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    await assert.rejects(decodeImage(svg, { maxPixels }), refuses(/expected a JPEG/))
    await assert.rejects(
      decodeImage(join(folder, 'none.png'), { maxPixels }),
      refuses(/none\.png: the file cannot be read/),
    )
  })

  test('a small file of huge dimensions is refused before it is unpacked', async () => {
    const side = 30_000
    const header = Buffer.alloc(13)
    header.writeUInt32BE(side, 0)
    header.writeUInt32BE(side, 4)
    header.set([8, 2, 0, 0, 0], 8)
    const bomb = Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(Buffer.alloc(1 << 20))),
      chunk('IEND', Buffer.alloc(0)),
    ])
    const start = performance.now()
    await assert.rejects(decodeImage(bomb, { maxPixels: 64e6 }), refuses(/at most 64000000 pixels/))
    assert.ok(performance.now() - start < 2000)
  })

  test('mutated files end in pixels or a DatasetError, never otherwise', async () => {
    let state = 12345
    const random = (bound: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * bound)
    }
    let refused = 0
    for (let round = 0; round < 600; round++) {
      const bytes = Buffer.from((golden.cases[random(golden.cases.length)] as Case).file, 'base64')
      for (let change = 0; change <= random(6); change++) bytes[random(bytes.length)] = random(256)
      const cut = random(4) === 0 ? random(bytes.length) : bytes.length
      try {
        const { pixels, height, width } = await decodeImage(bytes.subarray(0, cut), { maxPixels })
        assert.equal(pixels.length, height * width * 3)
      } catch (error) {
        assert.ok(error instanceof DatasetError, String(error))
        refused++
      }
    }
    assert.ok(refused > 50, `${refused} refused`)
  })

  test('loadImage is decoding, then the shorter side, then the centre', async () => {
    const file = fileOf('rgb png')
    const { pixels, height, width } = await decodeImage(file, { maxPixels })
    const expected = await resizeAndCenterCrop(pixels, {
      height,
      width,
      resizeTo: 10,
      cropTo: 8,
      interpolation: 'bilinear',
    })
    assert.deepEqual(await loadImage(file, { resizeTo: 10, cropTo: 8, maxPixels }), expected)
  })
})

function chunk(kind: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(kind, 'latin1'), body])
  const out = Buffer.alloc(named.length + 8)
  out.writeUInt32BE(body.length, 0)
  named.copy(out, 4)
  out.writeUInt32BE(crc32(named), named.length + 4)
  return out
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
