/** What a data set is told by when a run goes on: whether it is still the one that a phase was trained on. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Dataset, DatasetSplits } from '../data/index.ts'
import { DatasetError } from '../util/errors.ts'

/** Bytes that are read to their last one; of more, the sizes of files and some pictures are looked at. */
const mostBytes = 256 * 2 ** 20
/** Files whose sizes are asked for, spread over the data set. */
const mostFiles = 100_000
const pictures = 64
/** Changes with what is hashed: sums of another kind say nothing about whether data changed. */
const kind = '2-'

const known = new WeakMap<Dataset, Promise<string>>()

/**
 * Of classes, labels and names of files, and of the pictures: all bytes where they are few, else the sizes of the files and 64 pictures of
 * the training part. Not of times: a copy of the data has others.
 *
 * @throws {DatasetError} when a picture cannot be read
 */
export async function dataHash({ train, validation }: Pick<DatasetSplits, 'train' | 'validation'>): Promise<string> {
  const hash = createHash('sha256')
  for (const [dataset, isTrain] of [
    [train, true],
    [validation, false],
  ] as const) {
    if (dataset === null) continue
    let sum = known.get(dataset)
    if (sum === undefined) known.set(dataset, (sum = hashOf(dataset, isTrain)))
    hash.update(await sum)
  }
  return kind + hash.digest('hex')
}

/** False: it changed, as far as sums of one kind tell. */
export function isSameData(before: string, now: string): boolean {
  return !before.startsWith(kind) || before === now
}

async function hashOf(dataset: Dataset, isTrain: boolean): Promise<string> {
  const { name, classNames, labels, length, height, width } = dataset
  const hash = createHash('sha256')
  hash.update(JSON.stringify([name, classNames, length, height, width])).update(Int32Array.from(labels))
  const paths: string[] = []
  for (let index = 0; index < length; index++) {
    const { path } = dataset.at(index)
    if (path === undefined) continue
    hash.update(`${basename(dirname(path))}/${basename(path)}\n`)
    paths.push(path)
  }
  const isWhole =
    paths.length === 0
      ? await addPixels(hash, dataset, length * height * width * 3 <= mostBytes ? length : 0)
      : await addFiles(hash, paths)
  if (!isWhole && isTrain) await addPixels(hash, dataset, pictures)
  return hash.digest('hex')
}

/** Of so many pictures, spread over the data set. @returns whether these are all */
async function addPixels(hash: Hash, dataset: Dataset, most: number): Promise<boolean> {
  const count = Math.min(most, dataset.length)
  const chosen = Array.from({ length: count }, (_, index) => Math.floor((index * dataset.length) / count))
  for (let at = 0; at < count; at += 1000) hash.update(await dataset.read(chosen.slice(at, at + 1000)))
  return count === dataset.length
}

/** @returns whether every byte counts; false also where paths name no files of their own: pictures in an archive */
async function addFiles(hash: Hash, paths: readonly string[]): Promise<boolean> {
  const count = Math.min(mostFiles, paths.length)
  const chosen = Array.from(
    { length: count },
    (_, index) => paths[Math.floor((index * paths.length) / count)] as string,
  )
  let bytes = 0
  for (let at = 0; at < count; at += 64) {
    const sizes = await Promise.all(
      chosen.slice(at, at + 64).map((path) =>
        stat(path).then(
          (found) => (found.isFile() ? found.size : null),
          () => null,
        ),
      ),
    )
    if (sizes.includes(null)) return false
    hash.update(sizes.join())
    bytes += sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  }
  if (count < paths.length || bytes > mostBytes) return false
  for (const path of paths) await addFile(hash, path)
  return true
}

async function addFile(hash: Hash, path: string): Promise<void> {
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new DatasetError(`${path}: the file cannot be read (${why}).`, { cause: error })
  }
}
