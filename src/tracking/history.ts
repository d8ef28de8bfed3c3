/**
 * The history of a run: `<phase>.csv` for each phase and `metrics.jsonl` for all of them, one line an epoch.
 *
 * Every line is on the disk before `append` returns, so a kill loses at most the epoch in progress. A resumed phase drops
 * the lines past the epoch that it resumes from, since it will train those epochs again; lines of other phases stay.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SnapshotError } from '../util/errors.ts'
import { systemCode, writeError, writeFileAtomic } from '../util/files.ts'
import { csvHeader, fromJsonLine, toCsvLine, toJsonLine, type EpochRecord } from './record.ts'

const JSONL = 'metrics.jsonl'

export interface HistoryOptions {
  /** logs/<run>; made when missing */
  readonly directory: string
  readonly phase: string
  /** the last epoch that the snapshot holds; 0, the default, starts the phase afresh and drops all its lines */
  readonly resumeAfterEpoch?: number
  /** told when the disk refuses lines: they are kept and written with the next ones; null, the default: the failure is thrown */
  readonly onRefused?: ((error: Error) => void) | null
}

export class HistoryWriter {
  readonly #phase: string
  readonly #jsonl: AppendFile
  readonly #csv: AppendFile

  readonly #onRefused: ((error: Error) => void) | null

  private constructor(phase: string, jsonl: AppendFile, csv: AppendFile, onRefused: ((error: Error) => void) | null) {
    this.#phase = phase
    this.#onRefused = onRefused
    this.#jsonl = jsonl
    this.#csv = csv
  }

  /** @throws {SnapshotError} when a file cannot be read or written, or holds something else than a history */
  static async open({ directory, phase, resumeAfterEpoch = 0, onRefused }: HistoryOptions): Promise<HistoryWriter> {
    const jsonl = join(directory, JSONL)
    const kept = (await jsonLines(jsonl)).filter(
      ({ record }) => record.phase !== phase || record.epoch <= resumeAfterEpoch,
    )
    await writeFileAtomic(jsonl, kept.map(({ line }) => line + '\n').join(''))
    // The CSV is derived from the JSONL, so the two agree even when a kill fell between their writes.
    const csv = join(directory, `${phase}.csv`)
    const own = kept.filter(({ record }) => record.phase === phase)
    await writeFileAtomic(csv, csvHeader + own.map(({ record }) => toCsvLine(record)).join(''))
    return new HistoryWriter(phase, new AppendFile(jsonl), new AppendFile(csv), onRefused ?? null)
  }

  /** Appends the epoch to both files and flushes them to the disk. @throws {SnapshotError} when the disk refuses */
  append(record: Omit<EpochRecord, 'phase'>): void {
    const full = { ...record, phase: this.#phase }
    for (const [file, line] of [
      [this.#jsonl, toJsonLine(full)],
      [this.#csv, toCsvLine(full)],
    ] as const) {
      try {
        file.append(line)
      } catch (error) {
        if (this.#onRefused === null || !(error instanceof SnapshotError)) throw error
        this.#onRefused(error)
      }
    }
  }

  close(): void {
    this.#jsonl.close()
    this.#csv.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/**
 * Every epoch of every phase in logs/<run>, in the order in which they were written; none when there is no history yet.
 *
 * @throws {SnapshotError} naming file and line of what is no record; a last line cut off by a kill is left out
 */
export async function readHistory(directory: string): Promise<EpochRecord[]> {
  return (await jsonLines(join(directory, JSONL))).map(({ record }) => record)
}

async function jsonLines(path: string): Promise<{ line: string; record: EpochRecord }[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw new SnapshotError(`cannot read ${path}: ${String(error)}`, { cause: error })
  }
  // What follows the last line feed is empty, or a line that a kill cut off.
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line, i) => ({ line, record: fromJsonLine(line, `${path}:${i + 1}`) }))
}

/** A file that is flushed to the disk after every write. */
class AppendFile {
  readonly #path: string
  #descriptor: number | null
  /** what the disk refused so far */
  #waiting = ''

  constructor(path: string) {
    this.#path = path
    try {
      this.#descriptor = openSync(path, 'a')
    } catch (error) {
      throw writeError(error, path)
    }
  }

  append(text: string): void {
    if (this.#descriptor === null) throw new SnapshotError(`cannot write ${this.#path}: it was closed before.`)
    this.#waiting += text
    const { size } = fstatSync(this.#descriptor)
    try {
      const bytes = Buffer.from(this.#waiting)
      for (let at = 0; at < bytes.length;) at += writeSync(this.#descriptor, bytes, at)
      fsyncSync(this.#descriptor)
      this.#waiting = ''
    } catch (error) {
      ftruncateSync(this.#descriptor, size) // a part of a line would not be one
      throw writeError(error, this.#path)
    }
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }
}
