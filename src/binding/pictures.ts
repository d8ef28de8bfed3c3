/** Batches of JPEG pictures, and packed files of decoded ones. */
import type { Interpolation } from './images.ts'
import { native } from './native.ts'
import type { PackHandle } from './native.ts'

/** A file, a part of a file, or the bytes themselves. */
export type EncodedPicture = string | readonly [path: string, offset: number, length: number] | Uint8Array

export interface DecodedBatch {
  /** [N, cropTo, cropTo, 3]; rows that are not `done` are not filled. */
  readonly pixels: Uint8Array
  /** [N] 1 where the picture is a JPEG that libjpeg-turbo took without a complaint. */
  readonly done: Uint8Array
  /** [N, 2] height and width upright, before resampling. */
  readonly sizes: Int32Array
}

/** "libjpeg-turbo 2.1.5", or "" when the addon was built without it: then no row of a batch is ever done. */
export function jpegLibrary(): string {
  return native.jpegLibrary()
}

/** Reads, decodes, resamples (shorter side to `resizeTo`) and crops (the central square) on `threads` threads of its own. */
export async function decodeBatch(
  pictures: readonly EncodedPicture[],
  o: {
    resizeTo: number
    cropTo: number
    /** Default bilinear. */
    interpolation?: Interpolation | undefined
    maxPixels: number
    threads: number
    /** Memory for the pixels, of their length; it must not be touched before the promise is settled. Default: new. */
    room?: Uint8Array | undefined
  },
): Promise<DecodedBatch> {
  return native.decodeBatch(
    pictures,
    o.resizeTo,
    o.cropTo,
    o.maxPixels,
    o.threads,
    o.interpolation ?? 'bilinear',
    o.room,
  )
}

/** XXH64 of the bytes of each picture, as little-endian u64 [N]; of those that cannot be read, of nothing. */
export async function hashPictures(pictures: readonly EncodedPicture[], threads: number): Promise<Uint8Array> {
  return native.hashPictures(pictures, threads)
}

/** XXH64 of each record of `recordBytes`, as little-endian u64. */
export async function hashRecords(bytes: Uint8Array, recordBytes: number): Promise<Uint8Array> {
  return native.hashRecords(bytes, recordBytes)
}

/** A packed file, mapped into memory: see native/data/packed_file.h for its layout. */
export class PackedFile {
  readonly count: number
  readonly side: number
  /** What the writer put at its end. */
  readonly text: string
  readonly #handle: PackHandle

  private constructor(opened: { handle: PackHandle; count: number; side: number; text: string }) {
    this.#handle = opened.handle
    this.count = opened.count
    this.side = opened.side
    this.text = opened.text
  }

  /** @throws {DatasetError} when it is missing, cut off, of another version, or its list of pictures is damaged */
  static async open(path: string): Promise<PackedFile> {
    return new PackedFile(await native.packOpen(path))
  }

  /**
   * The central windows of pictures that were resampled to `resizeTo`.
   *
   * @returns pixels [N, cropTo, cropTo, 3], and the rows that cannot be used because their bytes changed
   */
  async read(
    indices: readonly number[],
    o: { resizeTo: number; cropTo: number; room?: Uint8Array | undefined },
  ): Promise<{ pixels: Uint8Array; damaged: number[] }> {
    return native.packRead(this.#handle, Int32Array.from(indices), o.resizeTo, o.cropTo, o.room)
  }

  /** Unmaps the file, once reads that are under way have ended. */
  close(): void {
    native.packClose(this.#handle)
  }
}
