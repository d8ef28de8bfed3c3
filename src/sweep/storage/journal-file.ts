/**
 * An append-only file of JSON lines, each with the CRC-32 of its content:
 *
 *   {"crc":"1c291ca3","entry":{…}}
 *
 * Whoever appends holds the kernel lock of `<path>.lock`. A last line without its line feed was written by a process that died
 * meanwhile: it is cut off before the next line is written. Any other line that does not check is an error: nothing is skipped.
 * The file is made by `create`: who only looks leaves nothing behind.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { SnapshotError } from '../../util/errors.ts'
import { ensureDirSync, systemCode, writeError } from '../../util/files.ts'

const LINE_FEED = 0x0a

/** A kernel lock. `tryAcquire` gives null while another holder has it. */
export type TryLock = (path: string) => { release(): void } | null

export class JournalFile {
  readonly path: string
  readonly #tryLock: TryLock
  readonly #onTornTail: (bytes: number) => void
  #descriptor: number | null = null
  /** bytes read so far, always the end of a line */
  #offset = 0
  #lines = 0
  #waiting: Promise<unknown> = Promise.resolve()

  /** @param onTornTail told how many bytes of an unfinished line were cut off */
  constructor(path: string, tryLock: TryLock, onTornTail: (bytes: number) => void) {
    this.path = path
    this.#tryLock = tryLock
    this.#onTornTail = onTornTail
  }

  /** Makes the file and its folder where there is none. @throws {SnapshotError} when it cannot be written */
  create(): void {
    if (this.#existing() !== null) return
    ensureDirSync(dirname(this.path))
    try {
      this.#descriptor = openSync(this.path, 'a+')
    } catch (error) {
      throw writeError(error, this.path)
    }
  }

  /** The entries that were added since the last call, whoever wrote them; none while there is no file. */
  read(): unknown[] {
    const descriptor = this.#existing()
    if (descriptor === null) return []
    const size = fstatSync(descriptor).size
    if (size < this.#offset)
      throw new SnapshotError(
        `${this.path}: it became shorter (${this.#offset} bytes, then ${size}): another program changed it.`,
      )
    const bytes = Buffer.alloc(size - this.#offset)
    const length = readSync(descriptor, bytes, 0, bytes.length, this.#offset)
    const end = bytes.subarray(0, length).lastIndexOf(LINE_FEED) + 1
    const entries: unknown[] = []
    for (let from = 0; from < end;) {
      const to = bytes.indexOf(LINE_FEED, from)
      entries.push(decodeLine(bytes.toString('utf8', from, to), `${this.path}:${this.#lines + entries.length + 1}`))
      from = to + 1
    }
    this.#offset += end
    this.#lines += entries.length
    return entries
  }

  /** Adds lines after everything that `read` gave; under the lock only. One write, then fdatasync when `durable`. */
  append(entries: readonly unknown[], durable: boolean): void {
    const text = entries.map(encodeLine).join('')
    const bytes = Buffer.from(text)
    const descriptor = this.#open()
    this.cutTail()
    try {
      if (writeSync(descriptor, bytes) !== bytes.length)
        throw new SnapshotError(`cannot write ${this.path}: a line did not fit. Free some space on the disk.`, {
          reason: 'disk full',
        })
      if (durable) fdatasyncSync(descriptor)
    } catch (error) {
      ftruncateSync(descriptor, this.#offset)
      throw writeError(error, this.path)
    }
    this.#offset += bytes.length
    this.#lines += entries.length
  }

  /** Removes what follows the last whole line; under the lock only. */
  cutTail(): void {
    const descriptor = this.#open()
    const torn = fstatSync(descriptor).size - this.#offset
    if (torn <= 0) return
    ftruncateSync(descriptor, this.#offset)
    this.#onTornTail(torn)
  }

  /** Runs `work` while holding the lock; calls of one process queue up. */
  async locked<T>(work: () => T): Promise<T> {
    const turn = this.#waiting.then(async () => {
      const lock = await this.#acquire()
      try {
        return work()
      } finally {
        lock.release()
      }
    })
    this.#waiting = turn.catch(() => undefined)
    return turn
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }

  #open(): number {
    this.create()
    return this.#descriptor as number
  }

  /** Opened for appending; null while there is no such file. */
  #existing(): number | null {
    if (this.#descriptor !== null) return this.#descriptor
    try {
      this.#descriptor = openSync(this.path, constants.O_RDWR | constants.O_APPEND)
    } catch (error) {
      const code = systemCode(error)
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw writeError(error, this.path)
    }
    return this.#descriptor
  }

  /** Asks again after pauses of 1 to 30 ms: a holder needs about one. */
  async #acquire(): Promise<{ release(): void }> {
    for (let pause = 1; ; pause = Math.min(30, pause * 2)) {
      const lock = this.#tryLock(`${this.path}.lock`)
      if (lock !== null) return lock
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())))
    }
  }
}

function encodeLine(entry: unknown): string {
  const json = JSON.stringify(entry)
  return `{"crc":"${checksum(json)}","entry":${json}}\n`
}

function decodeLine(line: string, where: string): unknown {
  const match = /^\{"crc":"([0-9a-f]{8})","entry":(.*)\}$/s.exec(line)
  const json = match?.[2] ?? ''
  if (match?.[1] === undefined || checksum(json) !== match[1])
    throw new SnapshotError(
      `${where}: expected a line of a sweep's journal with the checksum of its content, got ${preview(line)}. ` +
        'The file was damaged or edited. Restore it from a copy; nothing was changed.',
    )
  return JSON.parse(json)
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

function preview(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 57)}…` : line)
}
