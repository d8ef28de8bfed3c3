/** Finding the files of a data set that lies in a few large ones, and which part each belongs to. */
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { DatasetError } from '../../util/errors.ts'
import { partOfPath } from './parts.ts'
import type { PartName } from './parts.ts'

/** Files with the ending by part, in the order of their names. Where no name tells a part, all are `train`. */
export async function findShards(directory: string, ending: string, refused: readonly string[] = []): Promise<Record<PartName, string[]>> {
  const info = await stat(directory).catch(() => null)
  if (info === null) throw new DatasetError(`${directory}: expected a folder with ${ending} files but there is none. Check data.directory.`)
  const names = info.isFile() ? [''] : (await readdir(directory, { recursive: true })).filter((name) => !/(^|[/\\])\./.test(name))
  const odd = names.find((name) => refused.some((end) => name.endsWith(end)))
  if (odd !== undefined)
    throw new DatasetError(`${join(directory, odd)}: compressed shards cannot be read at random. Unpack it to ${ending}.`)
  const found = names.filter((name) => join(directory, name).endsWith(ending)).sort()
  if (found.length === 0) throw new DatasetError(`${directory}: expected ${ending} files but found none. Check data.directory.`)
  const parts: Record<PartName, string[]> = { train: [], validation: [], test: [] }
  const named = found.map((name) => ({ path: name === '' ? directory : join(directory, name), part: partOfPath(name) }))
  const anyNamed = named.some(({ part }) => part !== null)
  for (const { path, part } of named) {
    if (anyNamed && part === null)
      throw new DatasetError(
        `${path}: expected a name that begins with train, val or test, as the other files have, but it is ${relative(directory, path)}. Rename or move it.`,
      )
    parts[part ?? 'train'].push(path)
  }
  if (parts.train.length === 0)
    throw new DatasetError(`${directory}: expected a file of the training part but there are only ${found.slice(0, 3).join(', ')}.`)
  return parts
}
