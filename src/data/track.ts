/**
 * `.dvc` files as DVC 3 writes them (https://dvc.org/doc/user-guide/project-structure/dvc-files): they tell Git what a data folder
 * holds, without DVC or Python here. The pictures themselves are not copied to DVC's cache: `dvc commit` or `dvc add` does that.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { stringify } from 'yaml'
import { DatasetError } from '../util/errors.ts'
import { writeFileAtomic } from '../util/files.ts'
import { mapConcurrent } from './concurrency.ts'

export interface Tracked {
  /** The `.dvc` file. */
  readonly file: string
  readonly md5: string
  /** Bytes. */
  readonly size: number
  /** Null for a single file. */
  readonly files: number | null
  /** Whether the line was added to .gitignore. */
  readonly ignored: boolean
}

/** Writes `<path>.dvc`, and the path's line into .gitignore beside it. @throws {DatasetError} for what is missing, empty or no data */
export async function trackWithDvc(path: string, signal?: AbortSignal): Promise<Tracked> {
  const target = path.replace(/[/\\]+$/, '')
  if (['', '.', '..'].includes(basename(target)))
    throw new DatasetError(`${path}: expected the name of a file or folder to track. Name it from the folder that holds it, such as data/raw.`)
  if (target.endsWith('.dvc')) throw new DatasetError(`${target}: expected data to track but a .dvc file is what DVC keeps of them.`)
  const info = await stat(target).catch(() => null)
  if (info === null) throw new DatasetError(`${target}: expected a file or folder to track but there is none.`)
  const name = basename(target)
  let out: Record<string, string | number>
  if (info.isDirectory()) {
    const listing = await listFolder(target, signal)
    if (listing.entries.length === 0) throw new DatasetError(`${target}: expected files to track but the folder is empty.`)
    const md5 = `${createHash('md5').update(pythonJson(listing.entries)).digest('hex')}.dir`
    out = { md5, size: listing.size, nfiles: listing.entries.length, hash: 'md5', path: name }
  } else out = { md5: await md5OfFile(target), size: info.size, hash: 'md5', path: name }
  const file = `${target}.dvc`
  await writeFileAtomic(file, stringify({ outs: [out] }, { indentSeq: false, lineWidth: 0 }))
  const { md5, size, nfiles } = out as { md5: string; size: number; nfiles?: number }
  return { file, md5, size, files: nfiles ?? null, ignored: await ignore(dirname(target), name) }
}

interface Entry {
  readonly md5: string
  readonly relpath: string
}

async function listFolder(root: string, signal?: AbortSignal): Promise<{ entries: Entry[]; size: number }> {
  const found = await readdir(root, { recursive: true, withFileTypes: true })
  const ignored = found.find((entry) => entry.name === '.dvcignore')
  if (ignored) throw new DatasetError(`${join(ignored.parentPath, ignored.name)}: rules of .dvcignore inside a tracked folder are not read. Remove the file.`)
  const files = found.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
  let size = 0
  const entries = await mapConcurrent(
    files.filter((file) => !/(^|[/\\])\.(git|hg|dvc)([/\\]|$)/.test(file.slice(root.length))),
    8,
    async (file) => {
      const info = await stat(file).catch(() => null)
      if (info?.isFile() !== true)
        throw new DatasetError(
          `${file}: expected a file in the folder to track but it is ${info === null ? 'a link to nothing' : info.isDirectory() ? 'a link to a folder' : 'none'}. Remove it, or put the files themselves there.`,
        )
      size += info.size
      return { md5: await md5OfFile(file), relpath: file.slice(root.length + 1).replaceAll('\\', '/') }
    },
    signal,
  )
  return { entries: entries.sort((a, b) => Buffer.compare(Buffer.from(a.relpath), Buffer.from(b.relpath))), size }
}

/** As Python's json.dumps(…, sort_keys=True) writes it: the hash is of these bytes. */
function pythonJson(entries: readonly Entry[]): string {
  const text = (value: string): string =>
    JSON.stringify(value).replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return `[${entries.map(({ md5, relpath }) => `{"md5": "${md5}", "relpath": ${text(relpath)}}`).join(', ')}]`
}

async function md5OfFile(path: string): Promise<string> {
  const hash = createHash('md5')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** False when the line is there already. */
async function ignore(folder: string, name: string): Promise<boolean> {
  const path = join(folder, '.gitignore')
  const text = await readFile(path, 'utf8').catch(() => '')
  const line = `/${name.replaceAll(/[[\]!*#?]/g, (letter) => `\\${letter}`)}` // as DVC escapes what is a pattern
  if (text.split(/\r?\n/).includes(line)) return false
  await writeFileAtomic(path, `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`)
  return true
}
