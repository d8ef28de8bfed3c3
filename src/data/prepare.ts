/** A data set as class folders of PNG files: {train,test}/<class>/<number>.png. */
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import sharp from 'sharp'
import { DatasetError } from '../util/errors.ts'
import type { DownloadProgress } from '../util/download.ts'
import { ensureDir, systemCode, writeError } from '../util/files.ts'
import { mapConcurrent } from './concurrency.ts'
import type { Dataset } from './dataset.ts'

export interface PreparedPart {
  readonly name: string
  readonly dataset: Dataset
}

/**
 * Everything lands beside `target` first and is renamed when it is whole.
 *
 * @returns how many pictures were written
 * @throws {SnapshotError} when the place cannot be written or is full
 * @throws {DatasetError} when `target` exists and is not empty, or two class names give one folder name
 */
export async function writeClassFolders(
  parts: readonly PreparedPart[],
  target: string,
  context: { readonly signal?: AbortSignal | undefined; readonly progress?: ((progress: DownloadProgress) => void) | undefined },
): Promise<number> {
  const there = await readdir(target).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return null
    throw writeError(error, target)
  })
  if (there !== null && there.length > 0)
    throw new DatasetError(`${target}: expected an empty folder, or none, but it holds ${there.length} entries. Remove it or name another with --out.`)
  const folders = (parts[0]?.dataset.classNames ?? []).map(folderName)
  const twice = folders.find((name, at) => folders.indexOf(name) !== at)
  if (twice !== undefined) throw new DatasetError(`two classes would share the folder "${twice}". Rename one of them.`)
  try {
    await ensureDir(dirname(target))
    return await writeBeside(parts, folders, target, there !== null, context)
  } catch (error) {
    throw writeError(error, target)
  }
}

async function writeBeside(
  parts: readonly PreparedPart[],
  folders: readonly string[],
  target: string,
  replaces: boolean,
  context: Parameters<typeof writeClassFolders>[2],
): Promise<number> {
  const temporary = await mkdtemp(join(dirname(target), `.${basename(target)}-`))
  const whole = join(temporary, 'whole') // mkdtemp's own folder is closed to others
  const total = parts.reduce((sum, { dataset }) => sum + dataset.length, 0)
  let done = 0
  try {
    for (const { name, dataset } of parts) {
      for (const folder of folders) await mkdir(join(whole, name, folder), { recursive: true })
      const { height, width } = dataset
      await mapConcurrent(
        Array.from(dataset.labels.keys()),
        8,
        async (index) => {
          const pixels = await dataset.read([index], context.signal)
          const folder = folders[dataset.labels[index] as number] as string
          const file = join(whole, name, folder, `${String(index).padStart(5, '0')}.png`)
          await writeFile(file, await sharp(pixels, { raw: { width, height, channels: 3 } }).png().toBuffer())
          done++
          context.progress?.({ received: done, total, label: `writing ${target}` })
        },
        context.signal,
      )
    }
    if (replaces) await rm(target, { recursive: true })
    await rename(whole, target)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return done
}

/** Without what a file system takes for something else. */
function folderName(name: string): string {
  const safe = name.replaceAll(/[/\\:*?"<>|\0]/g, '_').replace(/^\.+/, '_').trim()
  return safe === '' ? '_' : safe
}
