/** The pack of a source of pictures: the one that fits, or a new one; built by one process while others wait. */
import { createHash } from 'node:crypto'
import { mkdir, open, rm, utimes } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
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
import { makeRoom, packNames, packsOfKind, removeStale } from './folder.ts'
import type { PackNames } from './folder.ts'
import { PackedPictures } from './pictures.ts'
import { changed, hashContents, keyOfSeen, readSeen, statesOf, writeSeen } from './seen.ts'
import { freeBytes, packBytes, writePack } from './write.ts'

export interface PackedContext {
  readonly folder: string
  /** Packs in the folder together; the ones used longest ago make room. */
  readonly limitBytes: number
  /** Hash every picture, also those whose files look as they did. */
  readonly verify: boolean
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  readonly progress?: ((progress: DownloadProgress) => void) | undefined
}

/** What a pack is looked for with. */
interface Wanted {
  readonly source: PictureSource
  readonly settings: LoadSettings
  /** All that decides about pixels but the pictures themselves. */
  readonly text: string
  readonly place: string
  readonly names: PackNames
  readonly context: PackedContext
}

/**
 * The pack with these contents at these settings; decoded now where there is none. Null, with a warning, where a pack cannot be had (no
 * space, a folder that cannot be written): the pictures are decoded each time then.
 */
export async function openPacked(
  source: PictureSource,
  settings: LoadSettings,
  context: PackedContext,
): Promise<PackedPictures | null> {
  const { resizeTo, cropTo, interpolation = 'bilinear', maxPixels, decoder } = settings
  const text = JSON.stringify({ resizeTo, cropTo, interpolation, maxPixels, decoder, vips: sharp.versions.vips, jpeg: jpegLibrary() })
  const names = packNames(context.folder, source.name, text, source.labels.length)
  const wanted: Wanted = { source, settings, text, place: resolve(source.name), names, context }
  const found = await find(wanted)
  if (found !== null) return found
  try {
    return await build(wanted)
  } catch (error) {
    if (error instanceof DatasetError || systemCode(error) === null) throw error
    return without(source, context, `${systemCode(error) as string} on ${names.folder}`)
  }
}

/** Null when no pack has these contents. Reads only pictures whose files are not in the state in which they were seen. */
async function find(wanted: Wanted): Promise<PackedPictures | null> {
  const { source, names, context } = wanted
  const { signal, logger } = context
  const count = source.labels.length
  if ((await packsOfKind(names)).length === 0) return null
  const states = await statesOf(source, signal)
  const seen = await readSeen(names.seen, count)
  const contents = seen === null ? new Uint8Array(count * 8) : Uint8Array.from(seen.contents)
  const all = seen === null || context.verify
  const anew = all ? Array.from({ length: count }, (_, index) => index) : changed(seen.states, states)
  await hashContents(source, anew, contents, { threads: wanted.settings.workers ?? availableParallelism(), signal })
  const key = keyOf(wanted.text, contents)
  for (const path of await packsOfKind(names)) {
    if (!path.endsWith(`-${key.slice(0, 24)}.pack`)) continue
    const pictures = await existing(path, key, logger)
    // Reasons why pictures cannot be read name files: those of another place would mislead.
    if (pictures === null || (pictures.unreadable.length > 0 && pictures.place !== wanted.place)) continue
    if (seen === null || anew.length > 0) await writeSeen(names.seen, { key, states, contents })
    if (seen !== null && seen.key !== key) await removeStale(names, seen.key)
    return pictures
  }
  if (context.verify && seen !== null && seen.key !== key && changed(seen.states, states).length === 0)
    logger.warn(`${source.name}: pictures have changed though their size and time have not; all are decoded again`)
  return null
}

function keyOf(text: string, contents: Uint8Array): string {
  return createHash('sha256').update(text).update('\n').update(contents).digest('hex')
}

async function build(wanted: Wanted): Promise<PackedPictures | null> {
  const { source, settings, names, context } = wanted
  const { folder, logger, signal, limitBytes } = context
  const count = source.labels.length
  const bytes = packBytes(count, settings.cropTo)
  await mkdir(folder, { recursive: true })
  const lock = await acquire(`${names.seen}.lock`, source, context)
  try {
    const meanwhile = await find(wanted)
    if (meanwhile !== null) return meanwhile
    const states = await statesOf(source, signal)
    const before = await keyOfSeen(names.seen) // of any number of pictures
    await rm(names.seen, { force: true })
    if (before !== null) await removeStale(names, before)
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
    const name = (contents: Uint8Array): { key: string; path: string } => {
      const key = keyOf(wanted.text, contents)
      return { key, path: names.pathOf(key) }
    }
    const { path, key, contents } = await writePack(`${names.seen}.pack.tmp`, source, loader, {
      ...{ place: wanted.place, name, signal },
      progress: (received) => context.progress?.({ received, total: count, label }),
    })
    await writeSeen(names.seen, { key, states, contents })
    logger.info(`${source.name}: ${count} decoded pictures are kept in ${path} (${gigabytes(bytes)})`)
    return new PackedPictures(path, await PackedFile.open(path), key)
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
    if (!/No such file/.test(error.message)) logger.warn(`${error.message.replace(/\.$/, '')}. It is built anew.`)
    return null
  }
  const now = new Date()
  await utimes(path, now, now).catch(() => undefined) // says when it was last used; a read-only cache is never tidied
  return pictures
}

/** A kernel lock, freed when its holder dies. @throws the system's error where the folder takes no lock file */
async function acquire(path: string, source: PictureSource, { logger, signal }: PackedContext): Promise<FileLock> {
  await (await open(path, 'a')).close() // with the system's code, which tells a folder that cannot be written from a defect
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
