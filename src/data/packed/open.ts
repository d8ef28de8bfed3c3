/** The pack of a source of pictures: the one that fits, or a new one; built by one process while others wait. */
import { createHash } from 'node:crypto'
import { mkdir, utimes } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { FileLock, PackedFile, jpegLibrary } from '../../binding/index.ts'
import type { DownloadProgress } from '../../util/download.ts'
import { DatasetError } from '../../util/errors.ts'
import { systemCode } from '../../util/files.ts'
import type { Logger } from '../../util/logger.ts'
import { PictureLoader } from '../load-pictures.ts'
import type { LoadSettings } from '../load-pictures.ts'
import type { PictureSource } from '../source.ts'
import { makeRoom, packNames, removeStale } from './folder.ts'
import type { PackNames } from './folder.ts'
import { PackedPictures } from './pictures.ts'
import { freeBytes, packBytes, writePack } from './write.ts'

export interface PackedContext {
  readonly folder: string
  /** Packs in the folder together; the ones used longest ago make room. */
  readonly limitBytes: number
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  readonly progress?: ((progress: DownloadProgress) => void) | undefined
}

/**
 * Null, with a warning, where a pack cannot be had (no space, a folder that cannot be written): the pictures are decoded each time
 * then.
 */
export async function openPacked(
  source: PictureSource,
  settings: LoadSettings,
  context: PackedContext,
): Promise<PackedPictures | null> {
  const { resizeTo, cropTo, interpolation = 'bilinear', maxPixels, decoder } = settings
  const wanted = JSON.stringify({ resizeTo, cropTo, interpolation, maxPixels, decoder, vips: sharp.versions.vips, jpeg: jpegLibrary() })
  const hash = createHash('sha256').update(wanted)
  for (const line of await source.fingerprint(context.signal)) hash.update(`\n${line}`)
  const key = hash.digest('hex')
  const names = packNames(context.folder, source.name, wanted, key)
  const found = await existing(names.path, key, context.logger)
  if (found !== null) return found
  try {
    return await build(source, settings, key, names, context)
  } catch (error) {
    if (error instanceof DatasetError || systemCode(error) === null) throw error
    return without(source, context, `${systemCode(error) as string} on ${names.path}`)
  }
}

async function build(
  source: PictureSource,
  settings: LoadSettings,
  key: string,
  names: PackNames,
  context: PackedContext,
): Promise<PackedPictures | null> {
  const { folder, logger, signal, limitBytes } = context
  const count = source.labels.length
  const bytes = packBytes(count, settings.cropTo)
  await mkdir(folder, { recursive: true })
  const lock = await acquire(`${names.path}.lock`, source, context)
  try {
    const meanwhile = await existing(names.path, key, logger)
    if (meanwhile !== null) return meanwhile
    await removeStale(names)
    if (!(await makeRoom(folder, bytes, limitBytes))) {
      return without(source, context, `it would take ${gigabytes(bytes)}, more than data.cache_gigabytes allows`)
    }
    const free = await freeBytes(folder)
    // A tenth stays free: what training writes (snapshots) must not meet a full disk.
    if (bytes > free * 0.9) {
      return without(source, context, `it would take ${gigabytes(bytes)} of ${gigabytes(free)} free in ${folder}`)
    }
    const loader = new PictureLoader(source, settings)
    const label = `decoding ${source.name}`
    await writePack(names.path, count, loader, key, {
      signal,
      progress: (received) => context.progress?.({ received, total: count, label }),
    })
    logger.info(`${source.name}: ${count} decoded pictures are kept in ${names.path} (${gigabytes(bytes)})`)
    return new PackedPictures(names.path, await PackedFile.open(names.path), key)
  } finally {
    lock.release()
  }
}

async function existing(path: string, key: string, logger: Logger): Promise<PackedPictures | null> {
  let pictures: PackedPictures
  try {
    pictures = new PackedPictures(path, await PackedFile.open(path), key)
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error
    if (!/No such file/.test(error.message)) logger.warn(`${error.message} It is built anew.`)
    return null
  }
  const now = new Date()
  await utimes(path, now, now).catch(() => undefined) // says when it was last used; a read-only cache is never tidied
  return pictures
}

/** A kernel lock, freed when its holder dies. */
async function acquire(path: string, source: PictureSource, { logger, signal }: PackedContext): Promise<FileLock> {
  for (let waited = false; ; waited = true) {
    const lock = FileLock.tryAcquire(path)
    if (lock) return lock
    if (!waited) logger.info(`${source.name}: another process is decoding it; waiting`)
    await sleep(200, undefined, signal ? { signal } : {})
  }
}

function without(source: PictureSource, { logger }: PackedContext, why: string): null {
  logger.warn(`${source.name}: decoded pictures are not kept (${why}); every epoch decodes anew. data.cache chooses another folder, or "off".`)
  return null
}

function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}
