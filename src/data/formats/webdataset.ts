/**
 * WebDataset (https://github.com/webdataset/webdataset): tar files in which the files of a sample follow each other under one key,
 * `0001.jpg` beside `0001.cls`. Only the heads of the entries are read at opening; pictures are read at their place later.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { extname } from 'node:path'
import { DatasetError } from '../../util/errors.ts'
import { IMAGE_EXTENSIONS } from '../image-files.ts'
import type { DataOptions } from '../options.ts'
import { fileState } from '../source.ts'
import type { PictureSource } from '../source.ts'
import { imagenetStatistics } from './format.ts'
import type { FormatContext, OpenedData } from './format.ts'
import { numberLabels, readClassNames } from './parts.ts'
import { findShards } from './shards.ts'
import { tarEntries } from './tar-index.ts'

interface TarPicture {
  readonly shard: string
  readonly key: string
  readonly extension: string
  readonly offset: number
  readonly length: number
  readonly label: string
}

/** A label is the text of `.cls` (a number or a name), or `label`, `cls` or `class` of `.json`. */
export async function openWebDataset({ directory }: DataOptions, { signal }: FormatContext): Promise<OpenedData> {
  const shards = await findShards(directory, '.tar', ['.tar.gz', '.tgz', '.tar.zst', '.tar.xz'])
  const read = async (paths: readonly string[]): Promise<TarPicture[]> => {
    const all: TarPicture[] = []
    for (const path of paths) {
      signal?.throwIfAborted()
      all.push(...(await picturesOf(path)))
    }
    return all
  }
  const pictures = { train: await read(shards.train), validation: await read(shards.validation), test: await read(shards.test) }
  const every = [...pictures.train, ...pictures.validation, ...pictures.test]
  const names = await readClassNames(directory)
  const { classNames, numbers } = numberLabels(every.map(({ label }) => label), names, (i) => placeOf(every[i] as TarPicture))
  if (classNames.length < 2) throw new DatasetError(`${directory}: expected at least 2 classes but found ${classNames.length}.`)
  let first = 0
  const source = (own: readonly TarPicture[], paths: readonly string[], part: string): PictureSource | null => {
    if (own.length === 0) return null
    const labels = numbers.slice(first, (first += own.length))
    return {
      name: `${directory} ${part}`,
      classNames,
      labels,
      nameOf: (index) => placeOf(own[index] as TarPicture),
      async encoded(index) {
        const { shard, offset, length } = own[index] as TarPicture
        return [shard, offset, length]
      },
      fingerprint: () => Promise.all(paths.map(async (path) => `${path} ${await fileState(path)}`)),
    }
  }
  return {
    kind: 'pictures',
    train: source(pictures.train, shards.train, 'train') as PictureSource,
    validation: source(pictures.validation, shards.validation, 'validation'),
    test: source(pictures.test, shards.test, 'test'),
    statistics: imagenetStatistics,
  }
}

function placeOf({ shard, key, extension }: TarPicture): string {
  return `${shard}#${key}${extension}`
}

async function picturesOf(shard: string): Promise<TarPicture[]> {
  const file = await open(shard, 'r')
  try {
    const samples = new Map<string, { picture?: Omit<TarPicture, 'label'>; label?: string | undefined }>()
    for await (const { name, offset, length } of tarEntries(file, shard)) {
      // The key ends at the first dot of the file's own name.
      const dot = name.indexOf('.', name.lastIndexOf('/') + 1)
      if (dot < 0) continue
      const key = name.slice(0, dot)
      const extension = name.slice(dot)
      const sample = samples.get(key) ?? {}
      samples.set(key, sample)
      if (IMAGE_EXTENSIONS.has(extname(`x${extension}`).toLowerCase())) {
        if (sample.picture) throw new DatasetError(`${shard}: sample ${key} has two pictures (${sample.picture.extension}, ${extension}). Keep one.`)
        sample.picture = { shard, key, extension, offset, length }
      } else if (extension === '.cls') sample.label = await textAt(file, offset, length, `${shard}#${name}`)
      else if (extension === '.json') sample.label ??= jsonLabel(await textAt(file, offset, length, `${shard}#${name}`), `${shard}#${name}`)
    }
    return Array.from(samples, ([key, { picture, label }]) => {
      if (picture === undefined) throw new DatasetError(`${shard}: sample ${key} has no picture. Remove its other files.`)
      if (label === undefined) throw new DatasetError(`${shard}: sample ${key} has no label: expected ${key}.cls or a label in ${key}.json.`)
      return { ...picture, label }
    })
  } finally {
    await file.close()
  }
}

async function textAt(file: FileHandle, offset: number, length: number, where: string): Promise<string> {
  if (length > 1 << 20) throw new DatasetError(`${where}: expected a label but the entry has ${length} bytes.`)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset)
  return buffer.toString('utf8', 0, bytesRead).trim()
}

/** Undefined where the object tells no label. */
function jsonLabel(text: string, where: string): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new DatasetError(`${where}: expected JSON but ${String(error)}.`, { cause: error })
  }
  const object = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const found = object['label'] ?? object['cls'] ?? object['class']
  return typeof found === 'string' || typeof found === 'number' ? String(found) : undefined
}
