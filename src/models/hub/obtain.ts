/** A repository's weights as a file on this computer: from the cache that Python's huggingface_hub shares, or fetched into it. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileLock } from '../../binding/index.ts'
import { download } from '../../util/download.ts'
import type { DownloadContext } from '../../util/download.ts'
import { SnapshotError } from '../../util/errors.ts'
import { systemCode } from '../../util/files.ts'
import { fileUrl, isCommit } from './address.ts'
import type { HubAddress } from './address.ts'
import { RepositoryCache, sizeOf } from './cache.ts'
import { HubUnreachable, hubFile, hubHeaders } from './metadata.ts'
import type { HubFile } from './metadata.ts'
import { hubSettings } from './settings.ts'
import type { HubSettings } from './settings.ts'

/** Under these names weights lie in a repository, the first that is there. */
const weightFiles = ['model.safetensors', 'pytorch_model.bin'] as const

/**
 * @returns the path of the weights
 * @throws {SnapshotError} when they are neither in the cache nor to be had; the message says which file to put where
 */
export async function obtainFromHub(address: HubAddress, context: DownloadContext): Promise<string> {
  const settings = hubSettings()
  const cache = new RepositoryCache(settings.cache, address.repo)
  // A commit never changes: what the cache has of it needs no question.
  if (settings.offline || isCommit(address.revision)) {
    const found = await findAny(cache, address)
    if (found !== null) return found
    if (settings.offline) throw absent(address, 'HF_HUB_OFFLINE is set', cache, settings)
  }
  try {
    for (const name of weightFiles) {
      const file = await hubFile(address, name, settings, context.signal)
      if (file !== null) return await obtainFile(address, name, file, cache, settings, context)
    }
  } catch (error) {
    if (!(error instanceof HubUnreachable)) throw error
    const found = await findAny(cache, address)
    if (found === null) throw absent(address, error.message, cache, settings, error)
    context.logger.warn(`${error.message}; using the cached ${found}`)
    return found
  }
  throw new SnapshotError(
    `${address.repo}: expected ${weightFiles.join(' or ')} in the repository, but it has neither. ` +
      `Fetch the right file from ${settings.endpoint}/${address.repo}/tree/${address.revision} and give its path.`,
  )
}

async function findAny(cache: RepositoryCache, address: HubAddress): Promise<string | null> {
  for (const name of weightFiles) {
    const found = await cache.find(address, name)
    if (found !== null) return found
  }
  return null
}

async function obtainFile(
  address: HubAddress,
  name: string,
  file: HubFile,
  cache: RepositoryCache,
  settings: HubSettings,
  context: DownloadContext,
): Promise<string> {
  const pointer = cache.pointer(file.commit, name)
  if ((await sizeOf(pointer)) === file.size) {
    // A cache that cannot be written (shared, read-only) still serves.
    await cache.setRef(address.revision, file.commit).catch(() => undefined)
    return pointer
  }
  const blob = cache.blob(file.etag)
  let lock: FileLock | null = null
  try {
    await mkdir(join(cache.folder, 'blobs'), { recursive: true })
    await mkdir(cache.locks, { recursive: true })
    lock = await acquire(join(cache.locks, `${file.etag}.lock`), address, context)
    if ((await sizeOf(blob)) !== file.size) {
      await rm(pointer, { force: true })
      await fetchBlob(address, name, file, blob, settings, context)
    }
    if ((await sizeOf(pointer)) !== file.size) await rm(pointer, { force: true })
    const path = await cache.link(file.commit, name, file.etag)
    await cache.setRef(address.revision, file.commit)
    return path
  } catch (error) {
    context.signal?.throwIfAborted()
    if (error instanceof SnapshotError) throw error
    const why = systemCode(error) ?? (error instanceof Error ? error.message : String(error))
    throw new SnapshotError(
      `${address.repo}: cannot be stored in ${cache.folder} (${why}). Make the folder writable, free space, or set HF_HUB_CACHE to another one.`,
      { cause: error },
    )
  } finally {
    lock?.release()
  }
}

async function fetchBlob(
  address: HubAddress,
  name: string,
  file: HubFile,
  blob: string,
  settings: HubSettings,
  context: DownloadContext,
): Promise<void> {
  // Of the commit that was asked about: the branch may move meanwhile.
  const url = fileUrl(settings.endpoint, { ...address, revision: file.commit }, name)
  context.logger.info(`downloading ${url} (${Math.ceil(file.size / 1e6)} MB) to ${settings.cache}`)
  await download(
    { url, digest: file.digest, size: file.size, label: address.repo, headers: hubHeaders(settings) },
    { path: blob, part: `${blob}.incomplete`, failure: SnapshotError },
    { stallSeconds: settings.timeoutSeconds, ...context },
  )
}

/** A kernel lock, freed when its holder dies; Python's library takes the same one. */
async function acquire(path: string, { repo }: HubAddress, { logger, signal }: DownloadContext): Promise<FileLock> {
  for (let waited = false; ; waited = true) {
    const lock = FileLock.tryAcquire(path)
    if (lock) return lock
    if (!waited) logger.info(`${repo}: another process is downloading it; waiting`)
    await sleep(200, undefined, signal ? { signal } : {})
  }
}

function absent(
  address: HubAddress,
  why: string,
  cache: RepositoryCache,
  settings: HubSettings,
  cause?: unknown,
): SnapshotError {
  const [name] = weightFiles
  return new SnapshotError(
    `the weights of ${address.repo} are not in ${settings.cache}, and ${why}. On a computer with network fetch ` +
      `${fileUrl(settings.endpoint, address, name)} and put it at ${cache.pointer(address.revision, name)} ` +
      '(or anywhere, and give that path as pretrained).',
    cause === undefined ? undefined : { cause },
  )
}
