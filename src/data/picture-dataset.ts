/** A data set of encoded pictures, decoded when they are read, or read from a cache of decoded ones. */
import { DatasetError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { checkIndex, classCounts, subset } from './dataset.ts'
import type { Dataset, Sample, UnreadableFile } from './dataset.ts'
import { PictureLoader } from './load-pictures.ts'
import type { LoadSettings } from './load-pictures.ts'
import type { PackedPictures } from './packed/index.ts'
import type { PictureSource } from './source.ts'

/** Decoded pictures kept in memory for the next epoch, up to a number of bytes shared by all parts of a data set. */
export class PictureCache {
  #left: number
  readonly #pictures = new Map<string, Uint8Array>()

  constructor(bytes: number) {
    this.#left = bytes
  }

  get(key: string): Uint8Array | undefined {
    return this.#pictures.get(key)
  }

  /** Copies `pixels`, if there is room. */
  offer(key: string, pixels: Uint8Array): void {
    if (pixels.length > this.#left || this.#pictures.has(key)) return
    this.#left -= pixels.length
    this.#pictures.set(key, pixels.slice())
  }
}

export interface PictureDatasetOptions extends LoadSettings {
  readonly source: PictureSource
  /** Identity of the first picture. */
  readonly firstId: number
  readonly cache: PictureCache
  /** Of this source at this `resizeTo`, with squares of at least `cropTo`. */
  readonly packed: PackedPictures | null
  readonly logger: Logger
}

/** How many pictures a check decodes at a time. */
const CHECK_BATCH = 64

/** Pictures come as cropTo × cropTo squares: the shorter side resampled to `resizeTo`, then the centre. */
export class PictureDataset implements Dataset {
  readonly name: string
  readonly classNames: readonly string[]
  readonly labels: Int32Array
  readonly height: number
  readonly width: number
  readonly unreadable: readonly UnreadableFile[] = []
  readonly #options: PictureDatasetOptions
  readonly #loader: PictureLoader
  #toldOfDamage = false

  constructor(options: PictureDatasetOptions) {
    const { source, cropTo } = options
    this.name = source.name
    this.classNames = source.classNames
    this.labels = source.labels
    this.height = this.width = cropTo
    this.#options = options
    this.#loader = new PictureLoader(source, options)
  }

  get length(): number {
    return this.labels.length
  }

  at(index: number): Sample {
    const { source, firstId } = this.#options
    return { id: firstId + checkIndex(this, index), label: this.labels[index] as number, path: source.nameOf(index) }
  }

  async read(indices: readonly number[], signal?: AbortSignal, room?: Uint8Array): Promise<Uint8Array> {
    for (const index of indices) checkIndex(this, index)
    return this.#options.packed === null ? this.#decoded(indices, signal, room) : this.#unpacked(indices, signal, room)
  }

  /**
   * Reads every picture once. @returns the indices that can be read, and those that cannot with the reason
   * @param progress called now and then with the number that were read
   */
  async check(
    signal: AbortSignal | undefined,
    progress: (done: number) => void,
  ): Promise<{ readable: number[]; unreadable: UnreadableFile[] }> {
    const known = this.#options.packed?.unreadable
    const bad = new Map((known ?? []).map(({ index, reason }) => [index, reason]))
    for (let start = 0; known === undefined && start < this.length; start += CHECK_BATCH) {
      const indices = range(start, Math.min(this.length, start + CHECK_BATCH))
      const { pixels, failures } = await this.#loader.load(indices, signal)
      failures.forEach((failure, row) => {
        if (failure !== null) bad.set(start + row, failure.message)
        else this.#offer(start + row, pixels, row)
      })
      progress(start + indices.length)
    }
    const unreadable = Array.from(bad, ([index, reason]) => ({ path: this.#options.source.nameOf(index), reason }))
    return {
      readable: range(0, this.length).filter((index) => !bad.has(index)),
      unreadable: unreadable.sort((a, b) => (a.path < b.path ? -1 : 1)),
    }
  }

  async #unpacked(indices: readonly number[], signal?: AbortSignal, room?: Uint8Array): Promise<Uint8Array> {
    const { packed, cropTo, logger } = this.#options
    signal?.throwIfAborted()
    const { pixels, damaged } = await (packed as PackedPictures).read(indices, cropTo, room)
    if (damaged.length > 0) {
      if (!this.#toldOfDamage) logger.warn(`${(packed as PackedPictures).path}: damaged; its pictures are decoded again`)
      this.#toldOfDamage = true
      await packed?.discard()
      const size = this.height * this.width * 3
      const again = await this.#decoded(damaged.map((row) => indices[row] as number), signal)
      damaged.forEach((row, at) => pixels.set(again.subarray(at * size, (at + 1) * size), row * size))
    }
    return pixels
  }

  async #decoded(indices: readonly number[], signal?: AbortSignal, room?: Uint8Array): Promise<Uint8Array> {
    const size = this.height * this.width * 3
    const kept = indices.map((index) => this.#options.cache.get(this.#key(index)))
    const missing = [...new Set(indices.filter((_, row) => kept[row] === undefined))]
    const { pixels, failures } = await this.#loader.load(missing, signal, missing.length === indices.length ? room : undefined)
    const failure = failures.find((one) => one !== null)
    if (failure) throw failure
    missing.forEach((index, row) => this.#offer(index, pixels, row))
    if (missing.length === indices.length) return pixels // each asked for once, none of them kept: in this order
    const place = new Map(missing.map((index, row) => [index, row]))
    const out = room ?? new Uint8Array(indices.length * size)
    indices.forEach((index, row) => {
      const from = (place.get(index) ?? 0) * size
      out.set(kept[row] ?? pixels.subarray(from, from + size), row * size)
    })
    return out
  }

  #offer(index: number, pixels: Uint8Array, row: number): void {
    const size = this.height * this.width * 3
    this.#options.cache.offer(this.#key(index), pixels.subarray(row * size, (row + 1) * size))
  }

  #key(index: number): string {
    const { resizeTo, cropTo, interpolation, source } = this.#options
    return `${resizeTo} ${cropTo} ${interpolation} ${source.nameOf(index)}`
  }
}

/**
 * Leaves out the pictures that cannot be read: what is left has a fixed length, so that splits, samplers and scores agree on it.
 *
 * @param o.maxBadFraction share of the pictures that may be left out; null: none, the first one is an error
 * @throws {DatasetError} when more are unreadable, or a class has no picture left
 */
export async function withoutUnreadable(
  dataset: PictureDataset,
  o: {
    readonly maxBadFraction: number | null
    readonly logger: Logger
    readonly signal?: AbortSignal | undefined
    readonly progress?: ((done: number) => void) | undefined
  },
): Promise<Dataset> {
  const { readable, unreadable } = await dataset.check(o.signal, (done) => o.progress?.(done))
  if (unreadable.length === 0) return dataset
  if (o.maxBadFraction === null) {
    for (const { reason } of unreadable) o.logger.error(reason)
    throw new DatasetError(
      `${dataset.name}: ${unreadable.length} of ${dataset.length} files cannot be read, and data.unreadable is "fail". ` +
        `Replace or remove them, or set data.unreadable to "skip". First: ${unreadable[0]?.reason}`,
    )
  }
  for (const { reason } of unreadable) o.logger.warn(`skipped: ${reason}`)
  if (unreadable.length > o.maxBadFraction * dataset.length) {
    throw new DatasetError(
      `${dataset.name}: ${unreadable.length} of ${dataset.length} files cannot be read, more than the accepted share of ` +
        `${o.maxBadFraction} (data.max_bad_fraction). First: ${unreadable[0]?.reason}`,
    )
  }
  o.logger.warn(`${dataset.name}: ${unreadable.length} of ${dataset.length} files cannot be read and were left out`)
  const kept = subset(dataset, readable, unreadable)
  const gone = classCounts(kept.labels, kept.classNames.length).indexOf(0)
  if (gone >= 0 && classCounts(dataset.labels, kept.classNames.length)[gone] !== 0) {
    throw new DatasetError(
      `${dataset.name}: no image of class "${kept.classNames[gone]}" can be read. Replace its files.`,
    )
  }
  return kept
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
