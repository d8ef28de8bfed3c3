/** What the rest of the library knows of a data set: pictures of one size by index, labels, stable identities. */
import type { Interpolation } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'

export interface Sample {
  /** Identity inside the full data set: the same whatever split the sample lies in. */
  readonly id: number
  /** In [0, classNames.length). */
  readonly label: number
  /** The file, where there is one. */
  readonly path?: string
}

export interface UnreadableFile {
  readonly path: string
  readonly reason: string
}

export interface Dataset {
  readonly name: string
  readonly classNames: readonly string[]
  readonly length: number
  /** [length] */
  readonly labels: Int32Array
  /** Of the pictures that read() returns, in pixels. */
  readonly height: number
  readonly width: number
  at(index: number): Sample
  /**
   * @param indices positions in this data set, in any order, repeats allowed
   * @param room memory of the result's length that may be used for it; the caller leaves it alone until the promise is settled
   * @returns [N, height, width, 3] uint8 RGB
   * @throws {DatasetError} when a file cannot be read
   */
  read(indices: readonly number[], signal?: AbortSignal, room?: Uint8Array): Promise<Uint8Array>
  /** Files that were left out because they could not be read. */
  readonly unreadable: readonly UnreadableFile[]
}

/** Identities of the samples in each part; enough to restore a split. */
export interface SplitIndices {
  readonly train: readonly number[]
  readonly validation: readonly number[]
  readonly test: readonly number[]
}

export interface DatasetSplits {
  readonly train: Dataset
  /** Null when no validation part was asked for. */
  readonly validation: Dataset | null
  readonly test: Dataset
  /** Per RGB channel, of values scaled to 0–1. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly indices: SplitIndices
  /** How a new picture must be prepared to look like the test part: shorter side to `resizeTo`, central `imageSize` square. */
  readonly imageSize: number
  readonly resizeTo: number
  readonly interpolation: Interpolation
}

/** A data set that lies in memory. */
export class MemoryDataset implements Dataset {
  readonly name: string
  readonly classNames: readonly string[]
  readonly labels: Int32Array
  readonly height: number
  readonly width: number
  readonly unreadable: readonly UnreadableFile[] = []
  readonly #pixels: Uint8Array
  readonly #firstId: number

  /** @param o pixels [N, height, width, 3]; ids run from `firstId` */
  constructor(o: {
    readonly name: string
    readonly classNames: readonly string[]
    readonly labels: Int32Array
    readonly height: number
    readonly width: number
    readonly pixels: Uint8Array
    readonly firstId?: number
  }) {
    const expected = o.labels.length * o.height * o.width * 3
    if (o.pixels.length !== expected) {
      throw new ShapeError(`${o.name}: expected ${expected} bytes of pixels but got ${o.pixels.length}`)
    }
    this.name = o.name
    this.classNames = o.classNames
    this.labels = o.labels
    this.height = o.height
    this.width = o.width
    this.#pixels = o.pixels
    this.#firstId = o.firstId ?? 0
  }

  get length(): number {
    return this.labels.length
  }

  at(index: number): Sample {
    return { id: this.#firstId + checkIndex(this, index), label: this.labels[index] as number }
  }

  async read(indices: readonly number[], _signal?: AbortSignal, room?: Uint8Array): Promise<Uint8Array> {
    const size = this.height * this.width * 3
    const out = room ?? new Uint8Array(indices.length * size)
    indices.forEach((index, row) => {
      const from = checkIndex(this, index) * size
      out.set(this.#pixels.subarray(from, from + size), row * size)
    })
    return out
  }
}

/**
 * The samples of `dataset` at `indices`, in that order; identities are kept.
 *
 * @param unreadable files left out, when these are what was left out
 */
export function subset(
  dataset: Dataset,
  indices: readonly number[],
  unreadable: readonly UnreadableFile[] = dataset.unreadable,
): Dataset {
  const chosen = Int32Array.from(indices, (index) => checkIndex(dataset, index))
  const labels = Int32Array.from(chosen, (index) => dataset.labels[index] as number)
  const within = (index: number): number =>
    chosen[checkIndex({ name: dataset.name, length: chosen.length }, index)] as number
  return {
    name: dataset.name,
    classNames: dataset.classNames,
    length: chosen.length,
    labels,
    height: dataset.height,
    width: dataset.width,
    at: (index) => dataset.at(within(index)),
    read: async (rows, signal, room) => dataset.read(rows.map(within), signal, room),
    unreadable,
  }
}

/** How many samples each class has, [classes]. */
export function classCounts(labels: Int32Array, classes: number): Int32Array {
  const counts = new Int32Array(classes)
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1
  return counts
}

export function checkIndex(
  { name, length }: { readonly name: string; readonly length: number },
  index: number,
): number {
  if (!Number.isInteger(index) || index < 0 || index >= length) {
    throw new ShapeError(`${name}: expected an index in [0, ${length}) but got ${index}`)
  }
  return index
}
