/**
 * A picture file as 8-bit sRGB pixels; the one function for training, evaluation and prediction.
 *
 * sharp (libvips) decodes by content, not by name. The camera's EXIF orientation is applied, the first frame of an animation or
 * page is taken, grey and palette pictures become RGB, 16 bits become the upper 8, alpha is dropped (not blended), as Pillow's
 * `convert("RGB")` does it. CMYK is converted through its colour profile, which Pillow does not do.
 */
import { readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { resizeAndCenterCrop } from '../binding/index.ts'
import type { Interpolation } from '../binding/index.ts'
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
export async function decodeImage(source: string | Uint8Array, { maxPixels }: DecodeOptions): Promise<Picture> {
  configure()
  const name = typeof source === 'string' ? source : 'image'
  const bytes = typeof source === 'string' ? await readBytes(source) : source
  if (pictureFormat(bytes) === null) {
    throw new DatasetError(`${name}: expected a JPEG, PNG, WebP, GIF, TIFF or AVIF picture but ${describe(bytes)}.`)
  }
  try {
    const { data, info } = await sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels })
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
  const { resizeTo, cropTo, interpolation = 'bilinear' } = options
  const { pixels, height, width } = await decodeImage(source, options)
  return resizeAndCenterCrop(pixels, { height, width, resizeTo, cropTo, interpolation })
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

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
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
