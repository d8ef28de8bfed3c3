/**
 * The snapshots of one phase: snapshots/<run>/<phase>/<name>/{*.safetensors, state.json, manifest.json}, `best` and `last`.
 *
 * A snapshot is written into a temporary folder beside its place, fsynced, read back for its sums, and renamed; so a partial one
 * is never visible, and a kill at any moment leaves the earlier ones readable. An old one is deleted only after the new one is in
 * place, and only when its own manifest says that it is ours.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { writeSafetensors, type Tensor } from '../binding/index.ts'
import { SnapshotError } from '../util/errors.ts'
import { ensureDir, namesIn, syncDirectory, writeError } from '../util/files.ts'
import type { Logger } from '../util/logger.ts'
import { Damage, describeFiles, manifestName, readManifest } from './manifest.ts'
import type { Snapshots } from './fallback.ts'
import { readPointer, setPointer } from './pointer.ts'
import { findSnapshot, openSnapshot, trainAgain, type Snapshot } from './read.ts'

const temporaryPrefix = '.tmp-'
/** Names that begin so are never pruned. */
const keptPrefix = 'cycle-'

export interface SnapshotContent {
  /** becomes <part>.safetensors */
  readonly parts: ReadonlyMap<string, ReadonlyMap<string, Tensor>>
  /** becomes state.json */
  readonly state: object
  /** the optimizer step; orders the snapshots of a phase */
  readonly order: number
  /** text stored in the header of every .safetensors file */
  readonly metadata?: Record<string, string>
}

type CycleOf = (state: object) => number

export interface StoreOptions {
  /** newest snapshots kept besides the best, ≥ 1 */
  readonly keep: number
  readonly logger: Logger
  /** which cycle a snapshot of this state ends, 0 for none: such a one is kept for good, as cycle-NN-<name> */
  readonly cycleOf?: CycleOf
  /** whether the first one is the best until another is; default true */
  readonly firstIsBest?: boolean
}

export class SnapshotStore implements Snapshots {
  readonly folder: string
  readonly isLasting: boolean = false
  readonly #keep: number
  readonly #cycleOf: CycleOf
  readonly #firstIsBest: boolean
  readonly #logger: Logger
  #held: string | null = null

  private constructor(folder: string, { keep, cycleOf, firstIsBest, logger }: StoreOptions) {
    this.folder = folder
    this.#keep = keep
    this.#cycleOf = cycleOf ?? ((): number => 0)
    this.#firstIsBest = firstIsBest ?? true
    this.#logger = logger
  }

  /** Makes the folder and clears what an interrupted process left. The caller holds the run's lock. */
  static async open(folder: string, options: StoreOptions): Promise<SnapshotStore> {
    await ensureDir(folder)
    for (const name of await namesIn(folder)) {
      if (!name.startsWith(temporaryPrefix)) continue
      await rm(join(folder, name), { recursive: true, force: true }).then(
        () => options.logger.debug(`removed ${join(folder, name)}, left by an interrupted process`),
        (error: unknown) => options.logger.warn(`could not remove ${join(folder, name)}: ${String(error)}`),
      )
    }
    return new SnapshotStore(folder, options)
  }

  /** Path of what `last` or `best` names, or null. */
  async pointer(name: 'best' | 'last'): Promise<string | null> {
    const target = await readPointer(this.folder, name)
    return target === null ? null : join(this.folder, target)
  }

  /** As `pointer`, with the order of what it names; null also where that is no snapshot. */
  async target(name: 'best' | 'last'): Promise<{ readonly path: string; readonly order: number } | null> {
    const path = await this.pointer(name)
    const manifest = path === null ? null : await readManifest(path).catch(() => null)
    return path === null || manifest === null ? null : { path, order: manifest.order }
  }

  async find(name: string): Promise<string | null> {
    return (await this.#isOurs(name)) ? join(this.folder, name) : null
  }

  /** Lets `best` name a snapshot of this folder. @throws {SnapshotError} when the disk refuses */
  async nameBest(path: string): Promise<void> {
    try {
      await setPointer(this.folder, 'best', basename(path))
    } catch (error) {
      throw writeError(error, join(this.folder, 'best'))
    }
  }

  async dropBest(): Promise<void> {
    await rm(join(this.folder, 'best'), { force: true }).catch((error: unknown) => {
      throw writeError(error, join(this.folder, 'best'))
    })
  }

  /** Keeps this snapshot, and no longer the one that was held before, however many newer ones there are. */
  hold(name: string | null): void {
    this.#held = name
  }

  /**
   * The newest snapshot that is whole: `last`, or an earlier one with a warning where `last` is damaged. Null when there is none yet.
   *
   * @throws {SnapshotError} what is wrong with `last`, when nothing can be read, and what can be done then
   */
  async newestReadable(): Promise<Snapshot | null> {
    const last = await readPointer(this.folder, 'last')
    const others = (await this.#own()).filter(({ name }) => name !== last).map(({ name }) => name)
    let damage: Damage | null = null
    for (const name of last === null ? others : [last, ...others]) {
      try {
        const folder = await findSnapshot(join(this.folder, name))
        if (folder === null) throw new Damage(`${join(this.folder, name)}: expected a snapshot, found none.`)
        const snapshot = await openSnapshot(folder)
        if (damage !== null) this.#logger.warn(`${damage.what} Going on from the one before it, ${snapshot.path}.`)
        return snapshot
      } catch (error) {
        if (!(error instanceof Damage)) throw error
        damage ??= error
      }
    }
    if (damage !== null) throw new SnapshotError(`${damage.what} ${trainAgain(this.folder)}`, { cause: damage.cause })
    return null
  }

  /**
   * @param best also let `best` name it
   * @returns the path of the snapshot, safely on the disk
   * @throws {SnapshotError} with the path and the bytes needed when it cannot be written; earlier snapshots are untouched then
   */
  async save(name: string, content: SnapshotContent, options: { readonly best: boolean }): Promise<string> {
    const cycle = this.#cycleOf(content.state)
    if (cycle > 0) name = `${keptPrefix}${String(cycle).padStart(2, '0')}-${name}`
    const temporary = join(this.folder, `${temporaryPrefix}${process.pid}-${randomBytes(4).toString('hex')}`)
    let path = join(this.folder, name)
    try {
      await mkdir(temporary)
      const files: string[] = []
      for (const [part, tensors] of content.parts) {
        await writeSafetensors(join(temporary, `${part}.safetensors`), tensors, content.metadata ?? {})
        files.push(`${part}.safetensors`)
      }
      await writeDurably(join(temporary, 'state.json'), `${JSON.stringify(content.state, null, 2)}\n`)
      const manifest = await describeFiles(temporary, [...files, 'state.json'], content.order)
      await writeDurably(join(temporary, manifestName), `${JSON.stringify(manifest, null, 2)}\n`)
      await syncDirectory(temporary)
      const free = await this.#freeName(name)
      path = join(this.folder, free)
      await rename(temporary, path)
      await syncDirectory(this.folder)
      // `best` first: a kill between the two is followed by a resume from the old `last`, which comes by here again. The other way
      // round a training could be finished, by `last`, with a `best` that was never set.
      if (options.best || (this.#firstIsBest && (await this.pointer('best')) === null))
        await setPointer(this.folder, 'best', free)
      await setPointer(this.folder, 'last', free)
      if (free !== name && !(await this.#isUsed(name))) await this.#remove(name)
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
      throw await this.#failure(error, path, bytesOf(content))
    }
    await this.#prune().catch((error: unknown) =>
      this.#logger.warn(`${this.folder}: old snapshots stay: ${String(error)}`),
    )
    return path
  }

  /** An unacknowledged snapshot of that name (written just before a kill) makes room; one that is in use does not. */
  async #freeName(name: string): Promise<string> {
    const existing = await readdir(this.folder)
    let free = name
    for (let count = 2; existing.includes(free); count++) {
      if (!(await this.#isUsed(free)) && (await this.#isOurs(free))) {
        await rm(join(this.folder, free), { recursive: true, force: true })
        break
      }
      free = `${name}-${count}`
    }
    return free
  }

  async #isUsed(name: string): Promise<boolean> {
    const { folder } = this
    return name === this.#held || [await readPointer(folder, 'last'), await readPointer(folder, 'best')].includes(name)
  }

  async #remove(name: string): Promise<void> {
    if (!(await this.#isOurs(name))) return
    await rm(join(this.folder, name), { recursive: true, force: true }).catch((error: unknown) =>
      this.#logger.warn(`could not delete the old snapshot ${join(this.folder, name)}: ${String(error)}`),
    )
  }

  async #isOurs(name: string): Promise<boolean> {
    return readManifest(join(this.folder, name)).then(
      () => true,
      () => false,
    )
  }

  async #prune(): Promise<void> {
    const passing = (await this.#own()).filter(({ name }) => !name.startsWith(keptPrefix))
    for (const { name } of passing.slice(this.#keep)) if (!(await this.#isUsed(name))) await this.#remove(name)
  }

  /** The folders whose manifest says that they are snapshots, newest first. */
  async #own(): Promise<{ name: string; order: number }[]> {
    const own: { name: string; order: number }[] = []
    for (const entry of await readdir(this.folder, { withFileTypes: true })) {
      if (!entry.isDirectory() || entry.name.startsWith(temporaryPrefix)) continue
      const manifest = await readManifest(join(this.folder, entry.name)).catch(() => null)
      if (manifest !== null) own.push({ name: entry.name, order: manifest.order })
    }
    return own.sort((a, b) => b.order - a.order)
  }

  async #failure(error: unknown, path: string, needed: number): Promise<Error> {
    const cause = writeError(error, path)
    const space = await statfs(this.folder).catch(() => null)
    const free = space === null ? 'unknown space' : megabytes(space.bavail * space.bsize)
    const last = await this.pointer('last').catch(() => null)
    if (!existsSync(this.folder))
      return new SnapshotError(
        `could not save the snapshot ${path}: ${this.folder} has vanished, and with it its snapshots: it was deleted or renamed, or its disk is gone.`,
        { cause: error },
      )
    return new SnapshotError(
      `could not save the snapshot ${path} (it needs ${megabytes(needed)}, ${free} is free): ${cause.message} ` +
        (last === null ? 'There is no earlier snapshot of this phase.' : `Kept: ${last}.`),
      { cause: error },
    )
  }
}

function bytesOf(content: SnapshotContent): number {
  const width: Record<string, number> = {
    float64: 8,
    int64: 8,
    float32: 4,
    int32: 4,
    float16: 2,
    bfloat16: 2,
    int16: 2,
  }
  let bytes = 0
  for (const tensors of content.parts.values()) {
    for (const tensor of tensors.values())
      bytes += tensor.shape.reduce((product, side) => product * side, width[tensor.dtype] ?? 1)
  }
  return bytes
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
