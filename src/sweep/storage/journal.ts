/**
 * Trials in an append-only file on this machine, for any number of processes; the default storage. See journal-file.ts.
 *
 * A worker's life is a kernel lock on `<path>.workers/<owner>`: the kernel lets it go when the process dies, at once, so that its
 * trials are given to others without waiting for a lease to run out.
 */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { FileLock } from '../../binding/index.ts'
import { SnapshotError } from '../../util/errors.ts'
import { ensureDirSync } from '../../util/files.ts'
import { checkOptionNames } from '../../util/option-names.ts'
import type { Params } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import { JournalFile, type TryLock } from './journal-file.ts'
import { now } from './memory.ts'
import { checkSameStudy, StudyState, type Operation } from './state.ts'
import {
  STORAGE_VERSION,
  type Claim,
  type Outcome,
  type StartRequest,
  type Storage,
  type StudyDefinition,
} from './storage.ts'

export interface JournalOptions {
  /** default: flock of the native layer */
  readonly tryLock?: TryLock
  /** told when the unfinished line of a dead process was cut off */
  readonly onTornTail?: (bytes: number) => void
}

interface Header {
  readonly op: 'study'
  readonly version: number
  readonly time: string
  readonly definition: StudyDefinition
}

export class JournalStorage implements Storage {
  readonly kind = 'journal'
  /** the kernel sees deaths by itself */
  readonly heartbeatEvery = null
  readonly #file: JournalFile
  readonly #tryLock: TryLock
  readonly #state = new StudyState()
  /** locks that say that this process's workers are alive */
  readonly #alive = new Map<string, { release(): void }>()
  #definition: StudyDefinition | null = null
  #lines = 0

  constructor(path: string, options: JournalOptions = {}) {
    checkOptionNames('JournalStorage', options, { tryLock: true, onTornTail: true })
    this.#tryLock = options.tryLock ?? ((lockPath) => FileLock.tryAcquire(lockPath))
    this.#file = new JournalFile(path, this.#tryLock, options.onTornTail ?? (() => undefined))
  }

  get path(): string {
    return this.#file.path
  }

  async open(definition: StudyDefinition): Promise<StudyDefinition> {
    this.#file.create()
    return this.#file.locked(() => {
      this.#catchUp()
      this.#file.cutTail()
      if (this.#definition === null) {
        const header: Header = { op: 'study', version: STORAGE_VERSION, time: now(), definition }
        this.#file.append([header], true)
        this.#lines++
        this.#definition = definition
      }
      checkSameStudy(this.#definition, definition, this.path)
      return this.#definition
    })
  }

  async find(name: string): Promise<StudyDefinition | null> {
    this.#catchUp()
    return this.#definition?.name === name ? this.#definition : null
  }

  async trials(): Promise<readonly Trial[]> {
    this.#catchUp()
    return this.#state.trials
  }

  async enqueue(params: Params, once = false): Promise<Trial> {
    return this.#file.locked(() => {
      this.#catchUp()
      const known = once ? this.#state.enqueued(params) : undefined
      if (known !== undefined) return known
      const number = this.#state.trials.length
      this.#write({ op: 'enqueue', number, params, time: now() })
      return this.#state.trials[number]!
    })
  }

  async start(owner: string, request: StartRequest): Promise<Trial | null> {
    return this.#file.locked(() => {
      this.#catchUp()
      this.#declareAlive(owner)
      for (const operation of this.#deaths()) this.#write(operation)
      const operation = this.#state.next(owner, request, now())
      if (operation === null) return null
      this.#write(operation)
      return this.#state.trials[operation.number]!
    })
  }

  async report(claim: Claim, step: number, value: number): Promise<boolean> {
    const { number, attempt } = claim
    const stored = Number.isFinite(value) ? value : String(value)
    return this.#change(claim, { op: 'report', number, attempt, step, value: stored }, false)
  }

  async finish(claim: Claim, outcome: Outcome): Promise<boolean> {
    const { number, attempt } = claim
    return this.#change(claim, { op: 'finish', number, attempt, time: now(), outcome }, true)
  }

  async release(claim: Claim): Promise<boolean> {
    const { number, attempt } = claim
    return this.#change(claim, { op: 'release', number, attempt, time: now() }, true)
  }

  async heartbeat(): Promise<void> {}

  /** Trials of this process's workers that are still running wait again once others look. */
  async close(): Promise<void> {
    for (const [owner, lock] of this.#alive) {
      rmSync(join(this.#workers, owner), { force: true })
      lock.release()
    }
    this.#alive.clear()
    this.#file.close()
  }

  get #workers(): string {
    return `${this.path}.workers`
  }

  async #change(claim: Claim, operation: Operation, durable: boolean): Promise<boolean> {
    return this.#file.locked(() => {
      this.#catchUp()
      if (this.#state.claimed(claim) === null) return false
      this.#write(operation, durable)
      return true
    })
  }

  #write(operation: Operation, durable = true): void {
    this.#file.append([operation], durable)
    this.#lines++
    this.#state.apply(operation)
  }

  /** Takes over what other processes wrote. */
  #catchUp(): void {
    for (const entry of this.#file.read()) {
      this.#lines++
      const where = `${this.path}:${this.#lines}`
      if (this.#definition === null) {
        this.#definition = definitionOf(entry, where)
        continue
      }
      try {
        this.#state.apply(entry as Operation)
      } catch (error) {
        throw new SnapshotError(`${where}: the line contradicts those before it: ${(error as Error).message}.`, {
          cause: error,
        })
      }
    }
  }

  /** Holds the owner's lock from its first start on. */
  #declareAlive(owner: string): void {
    if (this.#alive.has(owner)) return
    ensureDirSync(this.#workers)
    const lock = this.#tryLock(join(this.#workers, owner))
    if (lock === null)
      throw new SnapshotError(
        `${this.path}: expected each worker to have its own name, "${owner}" is taken by a living one.`,
      )
    this.#alive.set(owner, lock)
  }

  /** What becomes of running trials whose workers are gone. */
  #deaths(): Operation[] {
    const running = this.#state.trials.filter((trial) => trial.state === 'running')
    const present = new Set(running.length === 0 ? [] : listFiles(this.#workers))
    const dead = new Map<string, boolean>()
    return running.flatMap((trial) => {
      const owner = trial.owner as string
      if (!dead.has(owner)) dead.set(owner, !this.#alive.has(owner) && (!present.has(owner) || this.#buried(owner)))
      return dead.get(owner) === true ? [this.#state.afterDeath(trial, now())] : []
    })
  }

  /** Whether nobody holds the owner's lock; its file is removed then. */
  #buried(owner: string): boolean {
    const path = join(this.#workers, owner)
    const lock = this.#tryLock(path)
    if (lock === null) return false
    rmSync(path, { force: true })
    lock.release()
    return true
  }
}

function definitionOf(entry: unknown, where: string): StudyDefinition {
  const { op, version, definition } = entry as Partial<Header>
  if (op !== 'study' || definition === undefined)
    throw new SnapshotError(`${where}: expected the first line to begin a study. This is not a sweep's journal.`)
  if (version !== STORAGE_VERSION)
    throw new SnapshotError(
      `${where}: expected storage version ${STORAGE_VERSION}, got ${String(version)}. It was written by another release of Trivium: ` +
        'continue it with that one, or start a study of another name. Nothing was changed.',
    )
  return definition
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // nobody has started yet
  }
}
