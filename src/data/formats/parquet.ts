/**
 * Parquet in the image layout of Hugging Face data sets: a column of {bytes, path} (or bytes alone) beside one of labels, whose
 * names lie in the file's `huggingface` metadata.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { DatasetError } from '../../util/errors.ts'
import type { DataOptions } from '../options.ts'
import { fileState } from '../source.ts'
import type { PictureSource } from '../source.ts'
import { imagenetStatistics } from './format.ts'
import type { FormatContext, OpenedData } from './format.ts'
import { numberLabels, readClassNames } from './parts.ts'
import type { PartName } from './parts.ts'
import { findShards } from './shards.ts'

/** Encoded pictures of row groups that were read last, in a source: two neighbours, for batches that lie across. */
const GROUPS_KEPT = 2

interface RowGroup {
  readonly file: ParquetFile
  /** Of its first row, in the part and in the file. */
  readonly first: number
  readonly fileFirst: number
  readonly rows: number
}

export async function openParquet(options: DataOptions, { signal }: FormatContext): Promise<OpenedData> {
  const { directory } = options
  const shards = await findShards(directory, '.parquet')
  const parts = new Map<PartName, { files: ParquetFile[]; labels: string[]; where: string[] }>()
  let names: readonly string[] | null = await readClassNames(directory)
  for (const part of ['train', 'validation', 'test'] as const) {
    const own = { files: [] as ParquetFile[], labels: [] as string[], where: [] as string[] }
    for (const path of shards[part]) {
      signal?.throwIfAborted()
      const file = await ParquetFile.open(path, options)
      own.files.push(file)
      names ??= file.classNames
      for (const [row, label] of (await file.labels()).entries()) {
        own.labels.push(label)
        own.where.push(`${path} row ${row}`)
      }
    }
    if (own.files.length > 0) parts.set(part, own)
  }
  const all = [...parts.values()]
  const where = all.flatMap((part) => part.where)
  const { classNames, numbers } = numberLabels(all.flatMap((part) => part.labels), names, (i) => where[i] as string)
  if (classNames.length < 2) throw new DatasetError(`${directory}: expected at least 2 classes but found ${classNames.length}.`)
  let first = 0
  const source = (part: PartName): PictureSource | null => {
    const own = parts.get(part)
    if (own === undefined) return null
    const labels = numbers.slice(first, (first += own.labels.length))
    return new ParquetSource(`${directory} ${part}`, classNames, labels, own.files, own.where)
  }
  const train = source('train') as PictureSource
  return { kind: 'pictures', train, validation: source('validation'), test: source('test'), statistics: imagenetStatistics }
}

class ParquetSource implements PictureSource {
  readonly name: string
  readonly classNames: readonly string[]
  readonly labels: Int32Array
  readonly #files: readonly ParquetFile[]
  readonly #where: readonly string[]
  readonly #groups: RowGroup[] = []
  /** Row group → its pictures; the last used at the end. */
  readonly #kept = new Map<RowGroup, Promise<Uint8Array[]>>()

  constructor(name: string, classNames: readonly string[], labels: Int32Array, files: readonly ParquetFile[], where: readonly string[]) {
    this.name = name
    this.classNames = classNames
    this.labels = labels
    this.#files = files
    this.#where = where
    let first = 0
    for (const file of files) {
      let fileFirst = 0
      for (const rows of file.groupSizes) {
        this.#groups.push({ file, first, fileFirst, rows })
        first += rows
        fileFirst += rows
      }
    }
  }

  nameOf(index: number): string {
    return this.#where[index] as string
  }

  async encoded(index: number): Promise<Uint8Array> {
    const group = this.#groups.find(({ first, rows }) => index >= first && index < first + rows) as RowGroup
    let pictures = this.#kept.get(group)
    this.#kept.delete(group)
    pictures ??= group.file.pictures(group.fileFirst, group.rows)
    this.#kept.set(group, pictures)
    for (const old of this.#kept.keys()) if (this.#kept.size > GROUPS_KEPT) this.#kept.delete(old)
    return (await pictures)[index - group.first] as Uint8Array
  }

  fingerprint(): Promise<string[]> {
    return Promise.all(this.#files.map(async ({ path }) => `${path} ${await fileState(path)}`))
  }
}

class ParquetFile {
  readonly path: string
  readonly groupSizes: readonly number[]
  /** What the file's metadata calls its classes, or null. */
  readonly classNames: readonly string[] | null
  readonly #metadata: FileMetaData
  readonly #columns: { readonly image: string; readonly label: string }

  private constructor(path: string, metadata: FileMetaData, options: DataOptions) {
    this.path = path
    this.#metadata = metadata
    this.groupSizes = metadata.row_groups.map(({ num_rows }) => Number(num_rows))
    const features = huggingFaceFeatures(metadata)
    const names = columnNames(metadata)
    const pick = (asked: string | undefined, candidates: readonly string[], key: string): string => {
      const found = (asked === undefined ? candidates : [asked]).find((name) => names.includes(name))
      if (found === undefined)
        throw new DatasetError(`${path}: expected a column "${asked ?? candidates[0]}" but there are ${names.join(', ')}. Name the column in ${key}.`)
      return found
    }
    const typed = (type: string): string[] => names.filter((name) => features[name]?._type === type)
    this.#columns = {
      image: pick(options.imageColumn, [...typed('Image'), 'image', 'img', 'picture', 'jpg', 'png'], 'data.image_column'),
      label: pick(options.labelColumn, [...['label', 'labels', 'fine_label', 'class', 'cls'], ...typed('ClassLabel')], 'data.label_column'),
    }
    const list = features[this.#columns.label]?.names
    this.classNames = Array.isArray(list) && list.every((name) => typeof name === 'string') ? list : null
  }

  static async open(path: string, options: DataOptions): Promise<ParquetFile> {
    return withBuffer(path, async (buffer) => {
      const metadata = await parquetMetadataAsync(buffer).catch((error: unknown) => {
        throw new DatasetError(`${path}: expected a Parquet file but ${String(error)}. Fetch it again.`, { cause: error })
      })
      return new ParquetFile(path, metadata, options)
    })
  }

  async labels(): Promise<string[]> {
    const column = this.#columns.label
    const rows = await this.#read([column], 0, this.groupSizes.reduce((sum, rows) => sum + rows, 0))
    return rows.map((row, at) => {
      const value = row[column]
      if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint')
        throw new DatasetError(`${this.path} row ${at}: expected "${column}" to be a number or text but it is ${value === null ? 'null' : typeof value}.`)
      return String(value)
    })
  }

  /** The encoded pictures of a run of rows; an empty one where there is none. */
  async pictures(first: number, rows: number): Promise<Uint8Array[]> {
    const column = this.#columns.image
    const read = await this.#read([column], first, first + rows)
    return read.map((row) => {
      const value = row[column] as { bytes?: unknown } | Uint8Array | null | undefined
      const bytes = value instanceof Uint8Array ? value : value?.bytes
      return bytes instanceof Uint8Array ? bytes : new Uint8Array()
    })
  }

  async #read(columns: string[], rowStart: number, rowEnd: number): Promise<Record<string, unknown>[]> {
    return withBuffer(this.path, async (file) => {
      try {
        return await parquetReadObjects({ file, metadata: this.#metadata, columns, rowStart, rowEnd, compressors, utf8: false })
      } catch (error) {
        throw new DatasetError(`${this.path}: rows ${rowStart} to ${rowEnd} cannot be read (${String(error)}). Fetch the file again.`, { cause: error })
      }
    })
  }
}

async function withBuffer<T>(path: string, work: (buffer: AsyncBuffer) => Promise<T>): Promise<T> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw new DatasetError(`${path}: the file cannot be read (${String(error)}).`, { cause: error })
  })
  try {
    const { size } = await file.stat()
    return await work({ byteLength: size, slice: (start, end = size) => slice(file, start, end) })
  } finally {
    await file.close()
  }
}

async function slice(file: FileHandle, start: number, end: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - start)
  await file.read(bytes, 0, bytes.length, start)
  return bytes.buffer
}

interface Feature {
  readonly _type?: unknown
  readonly names?: unknown
}

/** {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": […], "_type": "ClassLabel"}}}} */
function huggingFaceFeatures(metadata: FileMetaData): Record<string, Feature | undefined> {
  const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value
  try {
    const value = JSON.parse(text ?? '{}') as { info?: { features?: Record<string, Feature> } } | null
    return value?.info?.features ?? {}
  } catch {
    return {} // not this layout: the columns' own names decide
  }
}

/** Of the top level. */
function columnNames({ schema }: FileMetaData): string[] {
  const names: string[] = []
  const skip = (at: number): number => {
    let next = at + 1
    for (let child = 0; child < (schema[at]?.num_children ?? 0); child++) next = skip(next)
    return next
  }
  for (let at = 1; at < schema.length; at = skip(at)) names.push(schema[at]?.name ?? '')
  return names
}
