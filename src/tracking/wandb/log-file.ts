/**
 * A file of records in the format of LevelDB's log, as `.wandb` files have it: blocks of 32 KiB, each record in pieces that carry a CRC-32
 * of type and data. https://github.com/google/leveldb/blob/main/doc/log_format.md; W&B takes zlib's CRC instead of CRC-32C, and begins
 * the file with seven bytes of its own.
 *
 * What the disk refuses is kept and written with the next record; no piece of a record stays behind.
 */
import { closeSync, fsync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { writeError } from '../../util/files.ts'

/** ":W&B", 0xBEE1, version 0 */
const START = Buffer.from([0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0])
const BLOCK = 32_768
/** CRC-32, length, type */
const HEAD = 7
const FULL = 1
const FIRST = 2
const MIDDLE = 3
const LAST = 4
const typeCrc = [0, FULL, FIRST, MIDDLE, LAST].map((type) => crc32(Uint8Array.of(type)))

export class LogFile {
  readonly #path: string
  #descriptor: number | null
  /** whole records end here */
  #size: number
  /** where each record on the disk begins */
  readonly #starts: number[]
  /** records that the disk refused so far */
  #waiting: Uint8Array[] = []

  private constructor(path: string, descriptor: number, size: number, starts: number[]) {
    this.#path = path
    this.#descriptor = descriptor
    this.#size = size
    this.#starts = starts
  }

  /** @throws {SnapshotError} when there is such a file already, or it cannot be made */
  static create(path: string): LogFile {
    try {
      return new LogFile(path, openSync(path, 'wx'), 0, [])
    } catch (error) {
      throw writeError(error, path)
    }
  }

  /** Goes on behind the last whole record; what a kill left of another is cut off. @throws {SnapshotError} when it cannot be read or written */
  static reopen(path: string): { readonly file: LogFile; readonly records: readonly Uint8Array[] } {
    try {
      const { records, starts, end } = scanLog(readFileSync(path))
      const descriptor = openSync(path, 'r+')
      ftruncateSync(descriptor, end)
      return { file: new LogFile(path, descriptor, end, starts), records }
    } catch (error) {
      throw writeError(error, path)
    }
  }

  /** Records, also those that wait. */
  get count(): number {
    return this.#starts.length + this.#waiting.length
  }

  /** Records that are not on the disk. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** @throws {SnapshotError} when the disk refuses; all of the records wait then */
  append(...records: readonly Uint8Array[]): void {
    this.#waiting.push(...records)
    this.flush()
  }

  /** Writes what waits. @throws {SnapshotError} when the disk refuses */
  flush(): void {
    if (this.#descriptor === null) return
    try {
      for (let record = this.#waiting[0]; record !== undefined; record = this.#waiting[0]) {
        const bytes =
          this.#size === 0 ? Buffer.concat([START, framed(record, START.length)]) : framed(record, this.#size)
        for (let done = 0; done < bytes.length;)
          done += writeSync(this.#descriptor, bytes, done, bytes.length - done, this.#size + done)
        this.#starts.push(this.#size)
        this.#size += bytes.length
        this.#waiting.shift()
      }
    } catch (error) {
      ftruncateSync(this.#descriptor, this.#size)
      throw writeError(error, this.#path)
    }
  }

  /** Keeps the first `count` records and no other. */
  cut(count: number): void {
    if (count >= this.count || this.#descriptor === null) return
    this.#waiting.length = Math.max(0, count - this.#starts.length)
    const size = this.#starts[count]
    if (size === undefined) return
    this.#starts.length = count
    this.#size = size
    ftruncateSync(this.#descriptor, size)
  }

  /** Hands what was written on to the disk, beside what else goes on. */
  sync(): void {
    if (this.#descriptor !== null) fsync(this.#descriptor, () => undefined)
  }

  /** Closes it without what waits. */
  abandon(): void {
    this.#waiting = []
    this.close()
  }

  /** @throws {SnapshotError} when the disk still refuses what waits; it is closed all the same */
  close(): void {
    if (this.#descriptor === null) return
    try {
      this.flush()
    } finally {
      closeSync(this.#descriptor)
      this.#descriptor = null
    }
  }
}

/** The pieces of a record that is to begin at `offset`, with the zeros that end a block too short for a piece. */
function framed(record: Uint8Array, offset: number): Buffer {
  const pieces: Uint8Array[] = []
  let left = BLOCK - (offset % BLOCK)
  if (left < HEAD) {
    pieces.push(new Uint8Array(left))
    left = BLOCK
  }
  let isFirst = true
  for (let at = 0; ;) {
    const data = record.subarray(at, at + left - HEAD)
    at += data.length
    const isLast = at === record.length
    const type = isFirst ? (isLast ? FULL : FIRST) : isLast ? LAST : MIDDLE
    const head = Buffer.alloc(HEAD)
    head.writeUInt32LE(checksum(type, data))
    head.writeUInt16LE(data.length, 4)
    head.writeUInt8(type, 6)
    pieces.push(head, data)
    if (isLast) return Buffer.concat(pieces)
    isFirst = false
    left = BLOCK
  }
}

/** Of type and data. Node's crc32 gives 0 for no bytes, whatever it goes on from. */
function checksum(type: number, data: Uint8Array): number {
  return data.length === 0 ? (typeCrc[type] ?? 0) : crc32(data, typeCrc[type])
}

export interface ScannedLog {
  readonly records: Uint8Array[]
  /** where each begins; the first at 0, with the bytes that begin the file */
  readonly starts: number[]
  /** behind the last whole one */
  readonly end: number
}

/** The whole records at the beginning of such a file; none where it is another file. */
export function scanLog(file: Uint8Array): ScannedLog {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const found: ScannedLog = { records: [], starts: [], end: 0 }
  if (bytes.compare(START, 0, START.length, 0, Math.min(START.length, bytes.length)) !== 0) return found
  let [end, start, at] = [0, 0, START.length]
  let pieces: Uint8Array[] | null = null
  for (;;) {
    const left = BLOCK - (at % BLOCK)
    if (left < HEAD) at += left
    if (at + HEAD > bytes.length) break
    const length = bytes.readUInt16LE(at + 4)
    const type = bytes.readUInt8(at + 6)
    const data = bytes.subarray(at + HEAD, at + HEAD + length)
    const isBeginning = type === FULL || type === FIRST
    if (data.length < length || type < FULL || type > LAST || isBeginning !== (pieces === null)) break
    if (checksum(type, data) !== bytes.readUInt32LE(at)) break
    at += HEAD + length
    pieces = [...(pieces ?? []), data]
    if (type !== FULL && type !== LAST) continue
    found.records.push(Buffer.concat(pieces))
    found.starts.push(start)
    pieces = null
    end = start = at
  }
  return { ...found, end }
}
