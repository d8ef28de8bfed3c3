/** Writing a pack: native/data/packed_file.h has the layout. */
import { open, rename, rm, statfs } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { hashRecords } from '../../binding/index.ts'
import type { LoadedPictures, PictureLoader } from '../load-pictures.ts'
import type { PictureSource } from '../source.ts'
import type { PackText } from './pictures.ts'
import { hashContents } from './seen.ts'

const VERSION = 1
const PIXELS_AT = 4096
/** Pictures decoded together: enough to keep all processors busy, little enough memory. */
const BATCH = 128

/** Bytes of a pack of `count` pictures, but for the reasons of unreadable ones. */
export function packBytes(count: number, side: number): number {
  return PIXELS_AT + count * (side * side * 3 + 16)
}

/** Bytes that may still be written beside `path`; infinite where the system does not say. */
export async function freeBytes(folder: string): Promise<number> {
  return statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Infinity,
  )
}

/** What became of a pack that was written. */
export interface Written {
  readonly path: string
  readonly key: string
  /** [N] u64, hashes of the encoded pictures */
  readonly contents: Uint8Array
}

/**
 * Decodes all pictures of `source`, writes them to a file beside, and gives it its name. What cannot be read is noted with its reason.
 *
 * Nothing waits for the disk: a power cut may leave holes, which the checksums of the list and of every picture find, and the pack is
 * built anew.
 *
 * @param o.place noted in the pack
 * @param o.name  key and path that pictures of these contents get
 * @throws the system's error when the disk is full or refuses, the signal's reason when aborted; nothing is left behind then
 */
export async function writePack(
  temporary: string,
  source: PictureSource,
  loader: PictureLoader,
  o: {
    readonly place: string
    readonly name: (contents: Uint8Array) => { readonly key: string; readonly path: string }
    readonly signal?: AbortSignal | undefined
    readonly progress?: ((done: number) => void) | undefined
  },
): Promise<Written> {
  const { cropTo: side, resizeTo } = loader.settings
  const count = source.labels.length
  const contents = new Uint8Array(count * 8)
  const record = side * side * 3
  const hashes = new Uint8Array(count * 8)
  const sizes = new Int32Array(count * 2)
  const rooms = [new Uint8Array(BATCH * record), new Uint8Array(BATCH * record)] // one is filled, the other written
  const unreadable: { index: number; reason: string }[] = []
  const load = (start: number): Promise<LoadedPictures> | null => {
    if (start >= count) return null
    const indices = Array.from({ length: Math.min(BATCH, count - start) }, (_, i) => start + i)
    const room = rooms[(start / BATCH) % 2]?.subarray(0, indices.length * record)
    // Hashed before it is decoded: a file that changes in between is met as changed the next time.
    const hashed = hashContents(source, indices, contents, { threads: loader.workers, signal: o.signal })
    const loaded = hashed.then(() => loader.load(indices, o.signal, room))
    void loaded.catch(() => undefined) // met when its turn comes
    return loaded
  }
  let next: Promise<LoadedPictures> | null = null
  try {
    const file = await open(temporary, 'w')
    try {
      // The next pictures are decoded while these are hashed and written.
      next = load(0)
      for (let start = 0; next !== null; start += BATCH) {
        const loaded: LoadedPictures = await next
        next = load(start + BATCH)
        hashes.set(await hashRecords(loaded.pixels, record), start * 8)
        sizes.set(loaded.sizes, start * 2)
        loaded.failures.forEach((failure, row) => {
          if (failure !== null) unreadable.push({ index: start + row, reason: failure.message })
        })
        await writeAll(file, loaded.pixels, PIXELS_AT + start * record)
        o.progress?.(Math.min(count, start + BATCH))
      }
      const text: PackText = { key: o.name(contents).key, place: o.place, resizeTo, unreadable }
      const footer = Buffer.concat([hashes, Buffer.from(sizes.buffer), Buffer.from(JSON.stringify(text))])
      await writeAll(file, footer, PIXELS_AT + count * record)
      await writeAll(file, await head(count, side, footer), 0)
    } finally {
      await file.close()
    }
    const { key, path } = o.name(contents)
    await rename(temporary, path)
    return { path, key, contents }
  } catch (error) {
    await next?.catch(() => undefined)
    await rm(temporary, { force: true }).catch(() => undefined) // the cause is what counts
    throw error
  }
}

async function head(count: number, side: number, footer: Uint8Array): Promise<Uint8Array> {
  const bytes = Buffer.alloc(PIXELS_AT)
  bytes.write('TRIVPACK', 'latin1')
  bytes.writeUInt32LE(VERSION, 8)
  bytes.writeUInt32LE(side, 12)
  bytes.writeBigUInt64LE(BigInt(count), 16)
  bytes.writeBigUInt64LE(BigInt(PIXELS_AT + count * side * side * 3), 24)
  bytes.writeBigUInt64LE(BigInt(footer.length), 32)
  bytes.set(await hashRecords(footer, footer.length), 40)
  return bytes
}

/** One call may write a part only, on a disk that is getting full. */
async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten
  }
}
