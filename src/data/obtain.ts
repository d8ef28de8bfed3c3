/** Having a published data set in its folder: found, or fetched by exactly one of the processes that want it. */
import { open, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileLock } from '../binding/index.ts'
import { download, isFile } from '../util/download.ts'
import type { DownloadContext, RemoteFile } from '../util/download.ts'
import { DatasetError } from '../util/errors.ts'
import { ensureDir, writeError } from '../util/files.ts'
import { unpack } from './unpack.ts'
import type { UnpackLimits } from './unpack.ts'

export interface ObtainContext extends DownloadContext {
  /** False: a missing data set is an error. */
  readonly download: boolean
}

export interface Published<Layout> {
  readonly title: string
  /** Folder below the directory that downloads fill; '' is the directory itself. */
  readonly folder: string
  /** Another folder in which the set may lie, in the layout for Python. */
  readonly alternative: string | null
  readonly remote:
    | {
        /** A tar archive whose top folder is `folder`. */
        readonly kind: 'archive'
        readonly archive: RemoteFile
        /** What must lie in the folder. */
        readonly expected: readonly string[]
        /** Throws when the unpacked folder is not the data set. */
        verify(folder: string): Promise<void>
        readonly limits: UnpackLimits
      }
    | { readonly kind: 'files'; readonly files: readonly RemoteFile[] }
  /** Which layout is complete in the folder, or null. */
  find(): Promise<Layout | null>
}

/**
 * @returns the layout that lies in `directory`
 * @throws {DatasetError} naming the address, the expected files and the folder, when the set is missing and cannot be fetched
 */
export async function obtain<Layout>(
  set: Published<Layout>,
  directory: string,
  context: ObtainContext,
): Promise<Layout> {
  const found = await set.find()
  if (found !== null) return found
  if (!context.download) throw missing(set, directory, 'downloading is switched off (data.download)')

  const lock = await acquire(set, directory, context)
  try {
    const meanwhile = await set.find()
    if (meanwhile !== null) return meanwhile
    const { remote } = set
    const first = remote.kind === 'archive' ? remote.archive : (remote.files[0] as RemoteFile)
    context.logger.info(`${set.title} is not in ${directory}; downloading ${first.url}`)
    try {
      await fetchRemote(set, directory, context)
    } catch (error) {
      if (error instanceof DatasetError) throw missing(set, directory, error.message, error)
      throw error
    }
    const unpacked = await set.find()
    if (unpacked === null) throw missing(set, directory, `${first.url} did not contain it`)
    context.logger.info(`${set.title}: downloaded, verified and unpacked to ${join(directory, set.folder)}`)
    return unpacked
  } finally {
    lock.release()
  }
}

async function fetchRemote<L>({ remote, folder }: Published<L>, directory: string, context: ObtainContext): Promise<void> {
  if (remote.kind === 'files') {
    await ensureDir(join(directory, folder))
    for (const file of remote.files) {
      const path = join(directory, folder, fileName(file))
      if (!(await isWhole(path, file))) await download(file, { path, failure: DatasetError }, context)
    }
    return
  }
  const archive = join(directory, fileName(remote.archive))
  // Whole already: somebody put it there, or an earlier process ended before it had unpacked it.
  if (!(await isFile(archive, remote.archive))) await download(remote.archive, { path: archive, failure: DatasetError }, context)
  await unpack(archive, directory, folder, remote.limits, (unpacked) => remote.verify(unpacked))
  await rm(archive, { force: true })
}

/** A file that an earlier try completed: it got its name when its digest was right. */
async function isWhole(path: string, { size }: RemoteFile): Promise<boolean> {
  return (await stat(path).catch(() => null))?.size === size
}

function fileName({ url }: RemoteFile): string {
  return basename(new URL(url).pathname)
}

/** A kernel lock, freed when its holder dies; waits for another process that is downloading. */
async function acquire<L>(set: Published<L>, directory: string, { logger, signal }: ObtainContext): Promise<FileLock> {
  const path = join(directory, `.${set.folder || set.title}.lock`)
  try {
    await ensureDir(directory)
    await (await open(path, 'a')).close()
  } catch (error) {
    throw missing(set, directory, writeError(error, path).message, error)
  }
  for (let waited = false; ; waited = true) {
    const lock = FileLock.tryAcquire(path)
    if (lock) return lock
    if (!waited) logger.info(`${set.title}: another process is downloading it to ${directory}; waiting`)
    await sleep(200, undefined, signal ? { signal } : {})
  }
}

function missing<L>(set: Published<L>, directory: string, why: string, cause?: unknown): DatasetError {
  const { remote, alternative, folder } = set
  const files = remote.kind === 'archive' ? remote.expected : remote.files.map(fileName)
  const urls = remote.kind === 'archive' ? [remote.archive.url] : remote.files.map(({ url }) => url)
  const python = alternative === null ? '' : ` (or the Python version in ${join(directory, alternative)}/)`
  const where = remote.kind === 'archive' ? `unpack it into ${directory}` : `put it into ${join(directory, folder)}`
  return new DatasetError(
    `${set.title} is not in ${directory}: ${why.replace(/\.$/, '')}. Expected ${join(directory, folder)}/ with ` +
      `${files.join(', ')}${python}. Fetch ${urls.join(' and ')} on a computer with network and ${where}, or set data.directory.`,
    cause === undefined ? undefined : { cause },
  )
}
