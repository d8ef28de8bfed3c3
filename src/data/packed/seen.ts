/**
 * What a pack was made of: for each picture of a place the state of its file (name, size, time of change) and the hash of its content.
 * A file whose state is the one that was seen has the content that was seen; of the others the content is hashed again, which costs a
 * fraction of decoding them.
 *
 *     "TRIVSEEN" · key of the pack, 64 hex digits · u64 N · u64 [N] states · u64 [N] contents · u64 XXH64 of all before
 */
import { createHash } from 'node:crypto'
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hashPictures, hashRecords } from '../../binding/index.ts'
import type { EncodedPicture } from '../../binding/index.ts'
import { DatasetError } from '../../util/errors.ts'
import type { PictureSource } from '../source.ts'

const MAGIC = 'TRIVSEEN'
const KEY_AT = 8
const COUNT_AT = KEY_AT + 64
const STATES_AT = COUNT_AT + 8
/** Files hashed in one call. */
const BATCH = 256

export interface Seen {
  /** Of the pack that holds these pictures. */
  readonly key: string
  /** [N] u64 */
  readonly states: Uint8Array
  /** [N] u64 */
  readonly contents: Uint8Array
}

/** [N] u64: a hash of each picture's line of `source.fingerprint`; where lines are of larger files, the same for all. */
export async function statesOf(source: PictureSource, signal?: AbortSignal): Promise<Uint8Array> {
  const count = source.labels.length
  const lines = await source.fingerprint(signal)
  const hashes = lines.map((line) => createHash('sha1').update(line).digest())
  const all = createHash('sha1').update(Buffer.concat(hashes)).digest()
  const states = new Uint8Array(count * 8)
  for (let i = 0; i < count; i++) states.set((lines.length === count ? (hashes[i] as Buffer) : all).subarray(0, 8), i * 8)
  return states
}

/** Which pictures have another state than they had. */
export function changed(before: Uint8Array, now: Uint8Array): number[] {
  // Copies: a part of a larger buffer may begin anywhere.
  const [a, b] = [new BigUint64Array(Uint8Array.from(before).buffer), new BigUint64Array(Uint8Array.from(now).buffer)]
  return Array.from(b.keys()).filter((index) => a[index] !== b[index])
}

/** Reads pictures and puts the hashes of their bytes into `contents`. */
export async function hashContents(
  source: PictureSource,
  indices: readonly number[],
  contents: Uint8Array,
  o: { readonly threads: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  for (let start = 0; start < indices.length; start += BATCH) {
    o.signal?.throwIfAborted()
    const some = indices.slice(start, start + BATCH)
    const encoded: EncodedPicture[] = []
    for (const index of some) encoded.push(await source.encoded(index).catch(emptyWhereUnreadable))
    const hashes = await hashPictures(encoded, o.threads)
    some.forEach((index, row) => contents.set(hashes.subarray(row * 8, row * 8 + 8), index * 8))
  }
}

/** The decoder will say why. */
function emptyWhereUnreadable(error: unknown): Uint8Array {
  if (error instanceof DatasetError) return new Uint8Array()
  throw error
}

/** Null when there is none for so many pictures, or it is damaged: everything is hashed then. */
export async function readSeen(path: string, count: number): Promise<Seen | null> {
  const bytes = await readFile(path).catch(() => null)
  if (bytes === null || bytes.length !== STATES_AT + count * 16 + 8) return null
  if (bytes.toString('latin1', 0, KEY_AT) !== MAGIC || bytes.readBigUInt64LE(COUNT_AT) !== BigInt(count)) return null
  const body = bytes.subarray(0, -8)
  if (!bytes.subarray(-8).equals(await hashRecords(body, body.length))) return null
  return {
    key: bytes.toString('latin1', KEY_AT, COUNT_AT),
    states: bytes.subarray(STATES_AT, STATES_AT + count * 8),
    contents: bytes.subarray(STATES_AT + count * 8, STATES_AT + count * 16),
  }
}

/** A place that cannot be written costs a new hashing the next time, no more. */
export async function writeSeen(path: string, { key, states, contents }: Seen): Promise<void> {
  const head = Buffer.alloc(STATES_AT)
  head.write(MAGIC + key, 'latin1')
  head.writeBigUInt64LE(BigInt(states.length / 8), COUNT_AT)
  const body = Buffer.concat([head, states, contents])
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await writeFile(temporary, Buffer.concat([body, await hashRecords(body, body.length)]))
    await rename(temporary, path)
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}

/** The key alone, without a check; null when the file is none. */
export async function keyOfSeen(path: string): Promise<string | null> {
  const file = await open(path, 'r').catch(() => null)
  if (file === null) return null
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(COUNT_AT), 0, COUNT_AT, 0)
    return bytesRead === COUNT_AT && buffer.toString('latin1', 0, KEY_AT) === MAGIC ? buffer.toString('latin1', KEY_AT) : null
  } finally {
    await file.close()
  }
}
