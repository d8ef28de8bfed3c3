/**
 * A run on the disk as W&B's own client leaves one: `wandb/offline-run-<date>_<time>-<id>/run-<id>.wandb`, which `wandb sync` uploads.
 *
 * A run that goes on continues its file, and rows that it is about to train again are cut off first, as in metrics.jsonl. A file that was
 * uploaded since is left alone: what follows goes into another one of the same id, which `wandb sync` appends.
 */
import { randomInt } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { ensureDirSync, systemCode, writeError } from '../../util/files.ts'
import { LogFile } from './log-file.ts'
import { decodeRecord, encodeRecord, type JsonItems, type WrittenRecord } from './records.ts'

/** What a row of the history tells of. */
export interface RowPlace {
  readonly phase: string
  /** of the phase */
  readonly step: number
  /** the numbers of an epoch, behind those of its last step */
  readonly isEpoch: boolean
}

export interface RunDescription {
  readonly entity: string | null
  readonly project: string
  readonly displayName: string
  readonly producer: string
  /** section → JSON text */
  readonly config: JsonItems
}

export interface RunFileOptions {
  /** holds wandb/ */
  readonly root: string
  /** the file that remembers id and folder, so that the run goes on as the same */
  readonly memory: string
  readonly mode: 'offline' | 'online'
  readonly description: RunDescription
  /** milliseconds since 1970; default: now */
  readonly now?: number
}

interface Row extends RowPlace {
  /** index of its record in the file */
  readonly record: number
}

const syncedSuffix = '.synced'

export class WandbRunFile {
  readonly id: string
  readonly folder: string
  /** the .wandb file */
  readonly path: string
  /** of the first part of the run, milliseconds since 1970 */
  readonly startTime: number
  /** what the server has of the run stands before this file's rows */
  readonly isAppended: boolean
  /** the rows that were there when it was opened */
  readonly restored: readonly JsonItems[]
  readonly #memory: string
  readonly #log: LogFile
  readonly #rows: Row[]
  #summary: JsonItems
  /** whose x axis is told, and by which record */
  readonly #phases: Map<string, number>

  private constructor(opened: Opened, memory: string) {
    this.#memory = memory
    this.restored = opened.restored
    this.id = opened.id
    this.folder = opened.folder
    this.path = opened.path
    this.#log = opened.log
    this.startTime = opened.startTime
    this.isAppended = opened.isAppended
    this.#rows = opened.rows
    this.#summary = opened.summary
    this.#phases = opened.phases
  }

  /** @throws {SnapshotError} when the folder cannot be made, or the file cannot be read */
  static open(options: RunFileOptions): WandbRunFile {
    const earlier = remembered(options.memory)
    const opened = (earlier === null ? null : continued(earlier, options)) ?? begun(options, earlier?.id ?? null)
    return new WandbRunFile(opened, options.memory)
  }

  /** Writes down id and folder, for when the run goes on. */
  remember(): void {
    const memory: Memory = { id: this.id, folder: basename(this.folder) }
    writeFileSync(this.#memory, `${JSON.stringify(memory)}\n`)
  }

  get rows(): number {
    return this.#rows.length
  }

  /** Records that the disk has not taken yet. */
  get waiting(): number {
    return this.#log.waiting
  }

  get summary(): JsonItems {
    return this.#summary
  }

  /** How many rows stay when the one at `place` is to be the next: those before the first that tells of the same place or a later one. */
  rowsBefore(place: RowPlace): number {
    const first = this.#rows.findIndex((row) => row.phase === place.phase && positionOf(row) >= positionOf(place))
    return first < 0 ? this.#rows.length : first
  }

  /** Takes back all rows but the first `count`, and what was recorded after them. */
  cut(count: number): void {
    const first = this.#rows[count]
    if (first === undefined) return
    this.#rows.length = count
    for (const [phase, record] of this.#phases) if (record >= first.record) this.#phases.delete(phase)
    this.#log.cut(first.record)
  }

  /** @throws {SnapshotError} when the disk refuses; what was not written goes with the next record */
  row(place: RowPlace, items: JsonItems): void {
    const { phase } = place
    const isKnown = this.#phases.has(phase)
    if (!isKnown) this.#phases.set(phase, this.#log.count)
    this.#rows.push({ ...place, record: this.#log.count + Number(!isKnown) })
    this.#append(
      ...(isKnown ? [] : [{ kind: 'metric', glob: `${phase}/*`, stepMetric: stepMetricOf(phase) } as const]),
      { kind: 'history', step: this.#rows.length - 1, items },
    )
  }

  /** Merges numbers into the summary. @throws {SnapshotError} as `row` */
  summarize(items: JsonItems): void {
    this.#summary = { ...this.#summary, ...items }
    this.#append({ kind: 'summary', items })
    this.#log.sync()
  }

  /** @throws {SnapshotError} when the disk still refuses; the file is closed all the same */
  close(exitCode: number, runtime: number): void {
    try {
      this.#append({ kind: 'exit', exitCode, runtime })
      this.#log.sync()
    } finally {
      this.#log.close()
    }
  }

  /** Closes the file and removes it with its folder; a run that has begun elsewhere is remembered all the same. */
  discard(): void {
    this.#log.abandon()
    rmSync(this.folder, { recursive: true, force: true })
    if (!this.isAppended) rmSync(this.#memory, { force: true })
  }

  /** Everything is on the server: `wandb sync` need not look. */
  markSynced(): void {
    writeFileSync(this.path + syncedSuffix, '')
  }

  #append(...records: readonly WrittenRecord[]): void {
    const { count } = this.#log
    this.#log.append(...records.map((record, index) => encodeRecord(count + index + 1, record)))
  }
}

export function stepMetricOf(phase: string): string {
  return `${phase}/step`
}

function positionOf({ step, isEpoch }: RowPlace): number {
  return 2 * step + Number(isEpoch)
}

interface Memory {
  readonly id: string
  /** below wandb/ */
  readonly folder: string
}

/** Null: no part of this run was recorded, or nobody remembers which. */
function remembered(path: string): Memory | null {
  try {
    const { id, folder } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Memory>
    return typeof id === 'string' && /^[\w-]{1,128}$/.test(id) && typeof folder === 'string' ? { id, folder } : null
  } catch {
    return null
  }
}

interface Opened {
  readonly id: string
  readonly folder: string
  readonly path: string
  readonly log: LogFile
  readonly startTime: number
  readonly isAppended: boolean
  readonly rows: Row[]
  readonly restored: readonly JsonItems[]
  readonly summary: JsonItems
  readonly phases: Map<string, number>
}

/** The file of the run's last part; null where there is none to go on with. */
function continued({ id, folder: name }: Memory, { root, mode }: RunFileOptions): Opened | null {
  const folder = join(root, 'wandb', basename(name))
  const path = join(folder, `run-${id}.wandb`)
  if (!existsSync(path)) return null
  const isSynced = existsSync(path + syncedSuffix)
  if (isSynced && mode === 'offline') return null
  const { file, records } = LogFile.reopen(path)
  const decoded = records.map((bytes) => decodeRecord(bytes)?.record ?? { kind: 'other' as const })
  const run = decoded.find((record) => record.kind === 'run')
  // What a part that was appended has before it, only the server knows.
  if (run === undefined || run.id !== id || (run.resume && mode === 'online')) {
    file.close()
    return null
  }
  if (isSynced) rmSync(path + syncedSuffix)
  const end = decoded.findIndex(({ kind }) => kind === 'exit')
  if (end >= 0) file.cut(end)
  const kept = end >= 0 ? decoded.slice(0, end) : decoded
  const summaries = kept.flatMap((record) => (record.kind === 'summary' ? [record.items] : []))
  return {
    ...{ id, folder, path, log: file, startTime: run.startTime, isAppended: run.resume },
    rows: kept.flatMap((record, index) =>
      record.kind === 'history' ? [{ ...placeOf(record.items), record: index }] : [],
    ),
    restored: kept.flatMap((record) => (record.kind === 'history' ? [record.items] : [])),
    summary: Object.assign({}, ...summaries) as JsonItems,
    phases: new Map(
      kept.flatMap((record, index) => (record.kind === 'metric' ? [[record.glob.replace(/\/\*$/, ''), index]] : [])),
    ),
  }
}

/** Whether a row tells of a step or of an epoch shows in its names alone: an epoch's loss is `train_loss`. */
function placeOf(items: JsonItems): RowPlace {
  const name = Object.keys(items).find((key) => key.endsWith('/step')) ?? '/step'
  const phase = name.slice(0, -'/step'.length)
  return { phase, step: Number(items[name] ?? 0), isEpoch: `${phase}/train_loss` in items }
}

/** A new file; of the run `id` where that has begun elsewhere. */
function begun({ root, mode, description, now = Date.now() }: RunFileOptions, known: string | null): Opened {
  const id = known ?? newId()
  const { folder, path } = claimFolder(join(root, 'wandb'), mode === 'offline' ? 'offline-run' : 'run', id, now)
  const log = LogFile.create(path)
  const { producer, entity, ...named } = description
  const run = { kind: 'run', id, entity: entity ?? '', ...named, host: hostname(), startTime: now } as const
  try {
    log.append(encodeRecord(1, { kind: 'header', producer }), encodeRecord(2, { ...run, resume: known !== null }))
  } catch {
    // They wait, and are tried again with the first row.
  }
  const fresh = { rows: [], restored: [], summary: {}, phases: new Map<string, number>() }
  return { id, folder, path, log, startTime: now, isAppended: known !== null, ...fresh }
}

/** A second part that begins within the same second as the first gets the next one. */
function claimFolder(parent: string, kind: string, id: string, now: number): { folder: string; path: string } {
  ensureDirSync(parent)
  for (let time = now; ; time += 1000) {
    const folder = join(parent, `${kind}-${timestamp(time)}-${id}`)
    try {
      mkdirSync(folder)
    } catch (error) {
      if (systemCode(error) === 'EEXIST') continue
      throw writeError(error, folder)
    }
    ensureDirSync(join(folder, 'files')) // where `wandb sync` puts config and summary
    return { folder, path: join(folder, `run-${id}.wandb`) }
  }
}

/** `20261121_202731`, local time. */
function timestamp(time: number): string {
  const local = new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString()
  return local.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_')
}

/** Eight of 36 characters, as W&B's own. */
function newId(): string {
  const characters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length: 8 }, () => characters[randomInt(characters.length)]).join('')
}
