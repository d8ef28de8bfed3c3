/** Having a published data set in its folder: found, or fetched by exactly one of the processes that want it. */
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileLock } from '../binding/index.ts'
import { download } from '../util/download.ts'
import type { DownloadContext, RemoteFile } from '../util/download.ts'
import { DatasetError } from '../util/errors.ts'
import { ensureDir } from '../util/files.ts'
import { unpack } from './unpack.ts'
import type { UnpackLimits } from './unpack.ts'

export interface ObtainContext extends DownloadContext {
  /** False: a missing data set is an error. */
  readonly download: boolean
}

export interface Published<Layout> {
  readonly title: string
  readonly archive: RemoteFile
  /** The archive's top folder, and what must lie in it. */
  readonly folder: string
  readonly expected: readonly string[]
  /** Another folder in which the set may lie. */
  readonly alternative: string
  /** Which layout is complete in the folder, or null. */
  find(): Promise<Layout | null>
  /** Throws when the unpacked folder is not the data set. */
  verify(folder: string): Promise<void>
  readonly limits: UnpackLimits
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
    const archive = join(directory, basename(new URL(set.archive.url).pathname))
    context.logger.info(`${set.title} is not in ${directory}; downloading ${set.archive.url}`)
    try {
      await download(set.archive, { path: archive, failure: DatasetError }, context)
    } catch (error) {
      if (error instanceof DatasetError) throw missing(set, directory, error.message, error)
      throw error
    }
    await unpack(archive, directory, set.folder, set.limits, (folder) => set.verify(folder))
    await rm(archive, { force: true })
    const unpacked = await set.find()
    if (unpacked === null) throw missing(set, directory, `${set.archive.url} did not contain it`)
    context.logger.info(`${set.title}: downloaded, verified and unpacked to ${join(directory, set.folder)}`)
    return unpacked
  } finally {
    lock.release()
  }
}

/** A kernel lock, freed when its holder dies; waits for another process that is downloading. */
async function acquire<L>(set: Published<L>, directory: string, { logger, signal }: ObtainContext): Promise<FileLock> {
  try {
    await ensureDir(directory)
  } catch (error) {
    throw missing(set, directory, error instanceof Error ? error.message : String(error), error)
  }
  const path = join(directory, `.${set.folder}.lock`)
  for (let waited = false; ; waited = true) {
    const lock = FileLock.tryAcquire(path)
    if (lock) return lock
    if (!waited) logger.info(`${set.title}: another process is downloading it to ${directory}; waiting`)
    await sleep(200, undefined, signal ? { signal } : {})
  }
}

function missing<L>(set: Published<L>, directory: string, why: string, cause?: unknown): DatasetError {
  return new DatasetError(
    `${set.title} is not in ${directory}: ${why.replace(/\.$/, '')}. Expected ${join(directory, set.folder)}/ with ` +
      `${set.expected.join(', ')} (or the Python version in ${join(directory, set.alternative)}/). ` +
      `Fetch ${set.archive.url} on a computer with network and unpack it into ${directory}, or set data.directory.`,
    cause === undefined ? undefined : { cause },
  )
}
