/** Where packed files lie, how they are called, and which make room for others. */
import { createHash } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { FileLock } from '../../binding/index.ts'
import { keyOfSeen } from './seen.ts'

/**
 * @param setting `data.cache`: `off`, a folder, or `auto`: TRIVIUM_CACHE, else XDG_CACHE_HOME/trivium, else ~/.cache/trivium
 * @returns null for `off`
 */
export function cacheFolder(
  setting: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | null {
  if (setting === 'off') return null
  if (setting !== 'auto') return setting
  const user = environment['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(environment['TRIVIUM_CACHE'] || join(user, 'trivium'), 'pictures')
}

export interface PackNames {
  readonly folder: string
  /** Of a pack with this key. */
  pathOf(key: string): string
  /** What every pack of so many pictures at these settings has in its name, whatever place they came from. */
  readonly kind: string
  /** What is remembered of this place at these settings. */
  readonly seen: string
}

/** @param place what the pictures are called: a folder, or a part of a data set */
export function packNames(folder: string, place: string, settings: string, count: number): PackNames {
  const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)
  const readable = basename(place).replaceAll(/[^\w.-]+/g, '_').slice(0, 40) || 'pictures'
  const kind = `-${short(settings)}-${count}-`
  return {
    folder,
    pathOf: (key) => join(folder, `${readable}${kind}${key.slice(0, 24)}.pack`),
    kind,
    seen: join(folder, `${readable}-${short(`${resolve(place)}\0${settings}`)}.seen`),
  }
}

/** The packs of so many pictures at these settings, of this place or another. */
export async function packsOfKind({ folder, kind }: PackNames): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => name.includes(kind) && name.endsWith('.pack')).map((name) => join(folder, name))
}

/** Removes packs whose key no place remembers, when `key` was the one of a place whose pictures have changed. */
export async function removeStale({ folder }: PackNames, key: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) {
    if (name.endsWith('.seen') && (await keyOfSeen(join(folder, name))) === key) return
  }
  for (const name of names) if (name.endsWith(`-${key.slice(0, 24)}.pack`)) await rm(join(folder, name), { force: true })
}

/**
 * Removes the packs that were used longest ago until `needed` more bytes fit below `limit`. A process that has one open keeps it.
 *
 * @returns false when `needed` alone is more than the limit
 */
export async function makeRoom(folder: string, needed: number, limit: number): Promise<boolean> {
  if (needed > limit) return false
  const lock = FileLock.tryAcquire(join(folder, '.room.lock'))
  if (lock === null) return true // another process is at it
  try {
    const packs: { path: string; size: number; used: number }[] = []
    for (const name of await readdir(folder)) {
      if (!name.endsWith('.pack')) continue
      const info = await stat(join(folder, name)).catch(() => null)
      if (info) packs.push({ path: join(folder, name), size: info.size, used: info.mtimeMs })
    }
    let total = packs.reduce((sum, { size }) => sum + size, needed)
    for (const { path, size } of packs.sort((a, b) => a.used - b.used)) {
      if (total <= limit) break
      await rm(path, { force: true })
      total -= size
    }
    await removeOrphans(folder)
    return true
  } finally {
    lock.release()
  }
}

/** What is remembered of packs that are gone. */
async function removeOrphans(folder: string): Promise<void> {
  const names = await readdir(folder)
  for (const name of names.filter((one) => one.endsWith('.seen'))) {
    const key = await keyOfSeen(join(folder, name))
    if (key === null || !names.some((one) => one.endsWith(`-${key.slice(0, 24)}.pack`))) await rm(join(folder, name), { force: true })
  }
}
