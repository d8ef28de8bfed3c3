/**
 * A picture file as 8-bit RGB pixels; the one meaning of a picture for training, evaluation and prediction.
 *
 * sharp (libvips) decodes by content, not by name. The camera's EXIF orientation is applied, the first frame of an animation or
 * page is taken, grey and palette pictures become RGB, 16 bits become the upper 8, alpha is dropped (not blended), colour profiles
 * are left alone, as Pillow's `convert("RGB")` does it. Only CMYK is converted through its profile, which Pillow does not do.
 */
import { open, readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { resizeAndCenterCrop } from '../binding/index.ts'
import type { EncodedPicture, Interpolation } from '../binding/index.ts'
import { DatasetError } from '../util/errors.ts'

export interface DecodeOptions {
  /** Larger pictures are refused before anything is decoded. */
  readonly maxPixels: number
}

export interface Picture {
  /** [height, width, 3] RGB */
  readonly pixels: Uint8Array
  readonly height: number
  readonly width: number
}

export interface LoadOptions extends DecodeOptions {
  /** The shorter side after resampling. */
  readonly resizeTo: number
  /** Side of the central square that is kept, ≤ resizeTo. */
  readonly cropTo: number
  /** Default bilinear. */
  readonly interpolation?: Interpolation | undefined
}

let configured = false

/** libvips caches whole decoded files by default, and starts threads of its own for each picture; both hurt in a loader. */
function configure(): void {
  if (configured) return
  sharp.cache(false)
  sharp.concurrency(1)
  configured = true
}

/**
 * @param source a path, or the bytes of a file
 * @throws {DatasetError} naming the file, when it is missing, not a picture of a known format, damaged, or too large
 */
export async function decodeImage(source: string | Uint8Array, options: DecodeOptions): Promise<Picture> {
  return decodeNamed(source, typeof source === 'string' ? source : 'image', options)
}

async function decodeNamed(source: EncodedPicture, name: string, { maxPixels }: DecodeOptions): Promise<Picture> {
  configure()
  const bytes = source instanceof Uint8Array ? source : await readBytes(source)
  if (pictureFormat(bytes) === null) {
    throw new DatasetError(`${name}: expected a JPEG, PNG, WebP, GIF, TIFF or AVIF picture but ${describe(bytes)}.`)
  }
  try {
    const ignoreIcc = !isCmykJpeg(bytes)
    const { data, info } = await sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels, ignoreIcc })
      .autoOrient()
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    const { height, width, channels } = info
    const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length)
    return { pixels: channels === 3 ? pixels : toRgb(pixels, channels, name), height, width }
  } catch (error) {
    if (error instanceof DatasetError) throw error
    const words = error instanceof Error ? error.message.trim().split('\n')[0] : String(error)
    // libvips keeps one text for all threads: of two damaged pictures at once, one may get it and the other nothing.
    const why = words === 'Unknown error' ? 'it cannot be decoded to its end' : words
    if (/exceeds pixel limit/i.test(why ?? '')) {
      throw new DatasetError(
        `${name}: expected a picture of at most ${maxPixels} pixels but it is larger. Raise data.max_pixels if it is meant.`,
      )
    }
    throw new DatasetError(`${name}: the picture is damaged (${why}). Replace or remove the file.`, { cause: error })
  }
}

/** decodeImage, then the shorter side to `resizeTo` and the central square, as torchvision's Resize and CenterCrop do it. */
export async function loadImage(source: string | Uint8Array, options: LoadOptions): Promise<Uint8Array> {
  return (await loadPicture(source, typeof source === 'string' ? source : 'image', options)).pixels
}

/** loadImage of a picture that is called `name` in messages. @returns pixels [cropTo, cropTo, 3], and the size before resampling */
export async function loadPicture(source: EncodedPicture, name: string, options: LoadOptions): Promise<Picture> {
  const { resizeTo, cropTo, interpolation = 'bilinear' } = options
  const { pixels, height, width } = await decodeNamed(source, name, options)
  const square = await resizeAndCenterCrop(pixels, { height, width, resizeTo, cropTo, interpolation })
  return { pixels: square, height, width }
}

export type PictureFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'avif'

/** The format that the first bytes tell (32 suffice), or null. */
export function pictureFormat(bytes: Uint8Array): PictureFormat | null {
  const head = Buffer.from(bytes.subarray(0, 64)).toString('latin1')
  if (head.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (/^GIF8[79]a/.test(head)) return 'gif'
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP') return 'webp'
  if (/^(?:II[*+]\0|MM\0[*+])/.test(head)) return 'tiff'
  if (head.slice(4, 8) === 'ftyp' && /avi[fs]/.test(head.slice(8, 40))) return 'avif'
  return null
}

/** Four components in the frame header. */
function isCmykJpeg(bytes: Uint8Array): boolean {
  if (pictureFormat(bytes) !== 'jpeg') return false
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1] as number
    if (marker === 0xff) {
      at++ // filler
      continue
    }
    // SOF0 … SOF15 without DHT, JPG and DAC
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc)
      return bytes[at + 9] === 4
    at += 2 + ((bytes[at + 2] as number) << 8) + (bytes[at + 3] as number)
  }
  return false
}

async function readBytes(place: string | readonly [path: string, offset: number, length: number]): Promise<Uint8Array> {
  const [path, offset, length] = typeof place === 'string' ? [place, 0, 0] : place
  try {
    if (typeof place === 'string') return await readFile(path)
    const file = await open(path, 'r')
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new DatasetError(`${path}: the file cannot be read (${why}).`, { cause: error })
  }
}

function describe(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'the file is empty'
  const head = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return `it starts with ${head}`
}

/** One channel is grey. */
function toRgb(pixels: Uint8Array, channels: number, name: string): Uint8Array {
  if (channels !== 1) throw new DatasetError(`${name}: expected 1 or 3 colour channels but got ${channels}.`)
  const out = new Uint8Array(pixels.length * 3)
  pixels.forEach((value, at) => out.fill(value, at * 3, at * 3 + 3))
  return out
}
