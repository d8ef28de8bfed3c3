/** Everything about a data set that can be known before training: what is unreadable, unbalanced, double, leaking. */
import { createHash } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { resizeAndCenterCrop, resizeImage } from '../../binding/index.ts'
import type { EncodedPicture } from '../../binding/index.ts'
import type { DownloadProgress } from '../../util/download.ts'
import { mapConcurrent } from '../concurrency.ts'
import { ChannelStatistics } from '../channel-statistics.ts'
import { classCounts } from '../dataset.ts'
import type { Dataset } from '../dataset.ts'
import type { OpenedData } from '../formats/format.ts'
import { PictureLoader } from '../load-pictures.ts'
import type { DataOptions } from '../options.ts'
import type { PictureSource } from '../source.ts'
import { fingerprint, nearDuplicates } from './duplicates.ts'
import type { Fingerprint } from './duplicates.ts'

/** Side of the squares that are looked at: the shorter side resampled to it, then the centre. */
export const inspectionSide = 64
const BATCH = 256

export interface InspectedPicture {
  readonly part: string
  /** In its part. */
  readonly index: number
  readonly name: string
  readonly label: number
}

export interface InspectedPart {
  readonly name: string
  readonly count: number
  /** [classes] */
  readonly classCounts: readonly number[]
}

export interface Inspection {
  readonly classNames: readonly string[]
  readonly parts: readonly InspectedPart[]
  readonly unreadable: readonly { readonly path: string; readonly reason: string }[]
  /** Height × width as stored → how many pictures; the most frequent first. */
  readonly dimensions: readonly { readonly height: number; readonly width: number; readonly count: number }[]
  /** Per RGB channel over the training part, of values scaled to 0–1. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** Groups of the same bytes (of the same pixels, where pictures have no file). */
  readonly exactDuplicates: readonly (readonly InspectedPicture[])[]
  /** Groups that look the same at small size and are not exact duplicates throughout. */
  readonly nearDuplicates: readonly (readonly InspectedPicture[])[]
  /** Of both kinds: groups in more than one part, and groups with more than one label. */
  readonly leaks: readonly (readonly InspectedPicture[])[]
  readonly conflicts: readonly (readonly InspectedPicture[])[]
}

export interface InspectContext {
  readonly signal?: AbortSignal | undefined
  readonly progress?: ((progress: DownloadProgress) => void) | undefined
}

/** Pictures of a part in order, as squares of `side`. */
export interface InspectionReader {
  readonly part: string
  readonly labels: Int32Array
  readonly classNames: readonly string[]
  nameOf(index: number): string
  /** pixels [N, side, side, 3]; failures[i] tells why picture i cannot be read; sizes [N, 2]; digests of what is stored. */
  read(
    indices: readonly number[],
    signal?: AbortSignal,
  ): Promise<{ pixels: Uint8Array; sizes: Int32Array; failures: readonly (Error | null)[]; digests: readonly string[] }>
}

/** The parts that the data set has of its own. */
export function inspectionReaders(
  opened: OpenedData,
  options: DataOptions,
  side: number,
  resizeTo: number = side,
): InspectionReader[] {
  const present = (['train', 'validation', 'test'] as const).flatMap((part): InspectionReader[] => {
    if (opened.kind === 'memory') return opened[part] === null ? [] : [memoryReader(part, opened[part], side)]
    return opened[part] === null ? [] : [sourceReader(part, opened[part], options, side, resizeTo)]
  })
  return present.length === 1 ? present.map((reader) => ({ ...reader, part: 'all' })) : present
}

/** Decodes every picture once. */
export async function inspectDataset(
  readers: readonly InspectionReader[],
  { signal, progress }: InspectContext,
): Promise<Inspection> {
  const classNames = readers[0]?.classNames ?? []
  const total = readers.reduce((sum, { labels }) => sum + labels.length, 0)
  const pictures: InspectedPicture[] = []
  const prints: (Fingerprint | null)[] = []
  const byDigest = new Map<string, number[]>()
  const byDimensions = new Map<string, number>()
  const unreadable: { path: string; reason: string }[] = []
  const statistics = new ChannelStatistics()
  for (const reader of readers) {
    for (let start = 0; start < reader.labels.length; start += BATCH) {
      const indices = Array.from({ length: Math.min(BATCH, reader.labels.length - start) }, (_, i) => start + i)
      signal?.throwIfAborted()
      const { pixels, sizes, failures, digests } = await reader.read(indices, signal)
      const record = pixels.length / indices.length
      for (const [row, index] of indices.entries()) {
        const place = pictures.length
        pictures.push({ part: reader.part, index, name: reader.nameOf(index), label: reader.labels[index] as number })
        const failure = failures[row]
        if (failure) {
          unreadable.push({ path: reader.nameOf(index), reason: failure.message })
          prints.push(null)
          continue
        }
        const own = pixels.subarray(row * record, (row + 1) * record)
        prints.push(fingerprint(own, Math.round(Math.sqrt(record / 3))))
        if (reader === readers[0]) statistics.add(own)
        const digest = digests[row] as string
        byDigest.set(digest, [...(byDigest.get(digest) ?? []), place])
        const size = `${sizes[row * 2]} ${sizes[row * 2 + 1]}`
        byDimensions.set(size, (byDimensions.get(size) ?? 0) + 1)
      }
      progress?.({ received: pictures.length, total, label: 'reading' })
    }
  }
  const named = (group: readonly number[]): InspectedPicture[] => group.map((place) => pictures[place] as InspectedPicture)
  const exact = [...byDigest.values()].filter((group) => group.length > 1)
  const twin = new Map(exact.flatMap((group) => group.map((place) => [place, group[0] as number] as const)))
  const near = nearDuplicates(prints).filter((group) => new Set(group.map((place) => twin.get(place) ?? place)).size > 1)
  const groups = [...exact, ...near].map(named)
  return {
    classNames,
    parts: readers.map(({ part, labels }) => ({
      name: part,
      count: labels.length,
      classCounts: Array.from(classCounts(labels, classNames.length)),
    })),
    unreadable,
    dimensions: Array.from(byDimensions, ([size, count]) => {
      const [height = 0, width = 0] = size.split(' ').map(Number)
      return { height, width, count }
    }).sort((a, b) => b.count - a.count || b.height * b.width - a.height * a.width),
    ...statistics.result(),
    exactDuplicates: exact.map(named),
    nearDuplicates: near.map(named),
    leaks: groups.filter((group) => new Set(group.map(({ part }) => part)).size > 1),
    conflicts: groups.filter((group) => new Set(group.map(({ label }) => label)).size > 1),
  }
}

function memoryReader(part: string, dataset: Dataset, side: number): InspectionReader {
  const { height, width } = dataset
  return {
    part,
    labels: dataset.labels,
    classNames: dataset.classNames,
    nameOf: (index) => dataset.at(index).path ?? `${part} ${index}`,
    async read(indices, signal) {
      const pixels = await dataset.read(indices, signal)
      const size = height * width * 3
      const out = new Uint8Array(indices.length * side * side * 3)
      const digests = indices.map((_, row) => sha256(pixels.subarray(row * size, (row + 1) * size)))
      await mapConcurrent(indices, 8, async (_, row) => {
        const own = pixels.subarray(row * size, (row + 1) * size)
        const o = { height, width, interpolation: 'bilinear' } as const
        const made =
          height === width
            ? await resizeImage(own, { ...o, outHeight: side, outWidth: side })
            : await resizeAndCenterCrop(own, { ...o, resizeTo: side, cropTo: side })
        out.set(made, row * side * side * 3)
      })
      const sizes = Int32Array.from({ length: indices.length * 2 }, (_, at) => (at % 2 === 0 ? height : width))
      return { pixels: out, sizes, failures: indices.map(() => null), digests }
    },
  }
}

function sourceReader(
  part: string,
  source: PictureSource,
  options: DataOptions,
  side: number,
  resizeTo: number,
): InspectionReader {
  const { maxPixels, workers, decoder, interpolation } = options
  const loader = new PictureLoader(source, { resizeTo, cropTo: side, maxPixels, workers, decoder, interpolation })
  return {
    part,
    labels: source.labels,
    classNames: source.classNames,
    nameOf: (index) => source.nameOf(index),
    async read(indices, signal) {
      const loaded = await loader.load(indices, signal)
      const digests = await mapConcurrent(
        indices,
        8,
        async (index, row) => (loaded.failures[row] ? '' : sha256(await bytesOf(await source.encoded(index)))),
        signal,
      )
      return { ...loaded, digests }
    },
  }
}

async function bytesOf(picture: EncodedPicture): Promise<Uint8Array> {
  if (picture instanceof Uint8Array) return picture
  if (typeof picture === 'string') return readFile(picture)
  const [path, offset, length] = picture
  const file = await open(path, 'r')
  try {
    return (await file.read(new Uint8Array(length), 0, length, offset)).buffer
  } finally {
    await file.close()
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64')
}
