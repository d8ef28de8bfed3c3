/** Snapshots that survive their disk: a save that fails is tried again, then goes to another folder; what is read is the newest of both. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SnapshotError } from '../util/errors.ts'
import { writeFileAtomic } from '../util/files.ts'
import { fallbackOf, noteName } from './fallback-note.ts'
import type { Snapshot } from './read.ts'
import { SnapshotStore, type SnapshotContent, type StoreOptions } from './store.ts'

/** What a training needs of the place where its snapshots go. */
export interface Snapshots {
  readonly folder: string
  pointer(name: 'best' | 'last'): Promise<string | null>
  /** The folder of a snapshot by its name, or null. */
  find(name: string): Promise<string | null>
  hold(name: string | null): void
  /** Lets `best` name a snapshot that is there. @throws {SnapshotError} when the disk refuses */
  nameBest(path: string): Promise<void>
  newestReadable(): Promise<Snapshot | null>
  save(name: string, content: SnapshotContent, options: { readonly best: boolean }): Promise<string>
  /** whether a disk that takes nothing more ends the training */
  readonly isLasting: boolean
}

export interface LastingOptions extends StoreOptions {
  /** where a run's folder is made when the usual one takes no snapshot; null: there is no such place, and the failure ends the run */
  readonly fallback: string | null
  /** milliseconds before each further try of a save that failed; default: 1 s and 4 s */
  readonly pauses?: readonly number[]
}

export class LastingSnapshots implements Snapshots {
  readonly folder: string
  readonly #primary: SnapshotStore
  readonly #options: LastingOptions
  readonly #fallbackFolder: string | null
  #fallback: SnapshotStore | null = null
  #held: string | null = null
  /** the last save went elsewhere: one try before the next one does */
  #isFailing = false

  private constructor(primary: SnapshotStore, fallbackFolder: string | null, options: LastingOptions) {
    this.folder = primary.folder
    this.#primary = primary
    this.#fallbackFolder = fallbackFolder
    this.#options = options
  }

  /** @throws {SnapshotError} when the folder cannot be made */
  static async open(folder: string, options: LastingOptions): Promise<LastingSnapshots> {
    const primary = await SnapshotStore.open(folder, options)
    const fallback = await chosenFallback(folder, options)
    const snapshots = new LastingSnapshots(primary, fallback, options)
    if (fallback !== null && existsSync(fallback)) await snapshots.#openFallback()
    return snapshots
  }

  get isLasting(): boolean {
    return this.#fallbackFolder !== null
  }

  async pointer(name: 'best' | 'last'): Promise<string | null> {
    const [own, other] = [await this.#primary.target(name), (await this.#fallback?.target(name)) ?? null]
    const newer = own === null || (other !== null && other.order > own.order) ? other : own
    return newer?.path ?? null
  }

  async find(name: string): Promise<string | null> {
    return (await this.#primary.find(name)) ?? (await this.#fallback?.find(name)) ?? null
  }

  hold(name: string | null): void {
    this.#held = name
    this.#primary.hold(name)
    this.#fallback?.hold(name)
  }

  /** A `best` of the other folder that is as new or newer would still be found: it goes. */
  async nameBest(path: string): Promise<void> {
    const [own, other] = [this.#primary, this.#fallback]
    const isOwn = other === null || (await realpath(own.folder).catch(() => null)) === dirname(path)
    await (isOwn ? own : other).nameBest(path)
    await (isOwn ? other : own)?.dropBest()
  }

  /** @throws {SnapshotError} what is wrong with the newest, when nothing can be read in either folder */
  async newestReadable(): Promise<Snapshot | null> {
    let damage: unknown = null
    const found: Snapshot[] = []
    for (const store of [this.#primary, this.#fallback]) {
      const snapshot = await store?.newestReadable().catch((error: unknown) => {
        damage ??= error
        return null
      })
      if (snapshot != null) found.push(snapshot)
    }
    const [newest] = found.sort((a, b) => b.order - a.order)
    if (newest === undefined && damage !== null) throw damage as Error
    return newest ?? null
  }

  /**
   * @returns where it lies, in one folder or the other
   * @throws {SnapshotError} when neither takes it: the failure of the usual one
   */
  async save(name: string, content: SnapshotContent, options: { readonly best: boolean }): Promise<string> {
    const { logger, pauses = [1000, 4000] } = this.#options
    let failure: SnapshotError | null = null
    for (const pause of [0, ...(this.#isFailing ? [] : pauses)]) {
      if (failure !== null) {
        logger.warn(`${failure.message} Trying again in ${pause / 1000} s.`)
        await sleep(pause)
      }
      try {
        const path = await this.#primary.save(name, content, options)
        if (this.#isFailing) logger.warn(`${this.folder} takes snapshots again`)
        this.#isFailing = false
        return path
      } catch (error) {
        if (!(error instanceof SnapshotError)) throw error
        failure = error
      }
    }
    if (failure === null || this.#fallbackFolder === null) throw failure as SnapshotError
    if (!this.#isFailing)
      logger.warn(`${failure.message} Snapshots go to ${this.#fallbackFolder} until it takes them again.`)
    this.#isFailing = true
    try {
      const fallback = this.#fallback ?? (await this.#openFallback())
      return await fallback.save(name, content, options)
    } catch (error) {
      const other = error instanceof Error ? error.message : String(error)
      throw new SnapshotError(`${failure.message} The other folder did not take it either: ${other}`, {
        cause: failure,
      })
    }
  }

  async #openFallback(): Promise<SnapshotStore> {
    const folder = this.#fallbackFolder as string
    this.#fallback = await SnapshotStore.open(folder, { ...this.#options, firstIsBest: false })
    this.#fallback.hold(this.#held)
    return this.#fallback
  }
}

/** The folder that was noted before, once it is used; else one of this run's own, noted for those who look for its snapshots. */
async function chosenFallback(folder: string, { fallback, logger }: LastingOptions): Promise<string | null> {
  const noted = await fallbackOf(folder)
  if (noted !== null && existsSync(noted)) return noted
  if (fallback === null) return null
  const run = `${basename(dirname(resolve(folder)))}-${randomBytes(4).toString('hex')}`
  const chosen = join(resolve(fallback), run, basename(folder))
  await writeFileAtomic(join(folder, noteName), `${chosen}\n`).catch((error: unknown) => {
    logger.warn(
      `could not note ${chosen}, where snapshots may go: ${error instanceof Error ? error.message : String(error)}`,
    )
  })
  return chosen
}
