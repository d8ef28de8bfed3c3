/** A data set of picture files, decoded when they are read. */
import { availableParallelism } from 'node:os'
import { DatasetError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { mapConcurrent } from './concurrency.ts'
import { checkIndex, classCounts, subset } from './dataset.ts'
import type { Dataset, Sample, UnreadableFile } from './dataset.ts'
import { loadImage } from './decode.ts'
import type { LoadOptions } from './decode.ts'
import type { ImageFile } from './image-files.ts'

/** Decoded pictures kept for the next epoch, up to a number of bytes shared by all parts of a data set. */
export class PictureCache {
  #left: number
  readonly #pictures = new Map<string, Uint8Array>()

  constructor(bytes: number) {
    this.#left = bytes
  }

  get(key: string): Uint8Array | undefined {
    return this.#pictures.get(key)
  }

  offer(key: string, pixels: Uint8Array): void {
    if (pixels.length > this.#left || this.#pictures.has(key)) return
    this.#left -= pixels.length
    this.#pictures.set(key, pixels)
  }
}

export interface ImageFolderOptions extends LoadOptions {
  readonly name: string
  readonly classNames: readonly string[]
  readonly files: readonly ImageFile[]
  /** Identity of the first file. */
  readonly firstId: number
  /** Pictures decoded at a time. Default: the number of processors. */
  readonly workers?: number | undefined
  readonly cache: PictureCache
}

/** Pictures come as cropTo × cropTo squares: the shorter side resampled to `resizeTo`, then the centre. */
export class ImageFolderDataset implements Dataset {
  readonly name: string
  readonly classNames: readonly string[]
  readonly labels: Int32Array
  readonly height: number
  readonly width: number
  readonly unreadable: readonly UnreadableFile[] = []
  readonly #options: ImageFolderOptions
  readonly #workers: number

  constructor(options: ImageFolderOptions) {
    this.name = options.name
    this.classNames = options.classNames
    this.labels = Int32Array.from(options.files, (file) => file.label)
    this.height = this.width = options.cropTo
    this.#options = options
    this.#workers = options.workers ?? availableParallelism()
  }

  get length(): number {
    return this.#options.files.length
  }

  at(index: number): Sample {
    const file = this.#options.files[checkIndex(this, index)] as ImageFile
    return { id: this.#options.firstId + index, label: file.label, path: file.path }
  }

  async read(indices: readonly number[], signal?: AbortSignal): Promise<Uint8Array> {
    const size = this.height * this.width * 3
    const out = new Uint8Array(indices.length * size)
    const work = async (index: number, row: number): Promise<void> => out.set(await this.#load(index), row * size)
    await mapConcurrent(indices, this.#workers, work, signal)
    return out
  }

  /**
   * Reads every file once. @returns the indices that can be read, and the files that cannot with the reason
   * @param progress called after each file
   */
  async check(
    signal: AbortSignal | undefined,
    progress: (done: number) => void,
  ): Promise<{ readable: number[]; unreadable: UnreadableFile[] }> {
    const readable: number[] = []
    const unreadable: UnreadableFile[] = []
    let done = 0
    const work = async (index: number): Promise<void> => {
      try {
        await this.#load(index)
        readable.push(index)
      } catch (error) {
        if (!(error instanceof DatasetError)) throw error
        unreadable.push({ path: this.at(index).path as string, reason: error.message })
      }
      progress(++done)
    }
    await mapConcurrent(Array.from(this.labels.keys()), this.#workers, work, signal)
    readable.sort((a, b) => a - b)
    unreadable.sort((a, b) => (a.path < b.path ? -1 : 1))
    return { readable, unreadable }
  }

  async #load(index: number): Promise<Uint8Array> {
    const { cache, resizeTo, cropTo, interpolation } = this.#options
    const { path } = this.#options.files[checkIndex(this, index)] as ImageFile
    const key = `${resizeTo} ${cropTo} ${interpolation} ${path}`
    const kept = cache.get(key)
    if (kept) return kept
    const pixels = await loadImage(path, this.#options)
    cache.offer(key, pixels)
    return pixels
  }
}

/**
 * Leaves out the files that cannot be read, after one pass over all of them: what is left has a fixed length, so that splits,
 * samplers and scores agree on it.
 *
 * @param o.maxBadFraction share of the files that may be left out; null: none, the first one is an error
 * @throws {DatasetError} when more are unreadable, or a class has no picture left
 */
export async function withoutUnreadable(
  dataset: ImageFolderDataset,
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
