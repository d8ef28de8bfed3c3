/** Where packed files lie, how they are called, and which make room for others. */
import { createHash } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { FileLock } from '../../binding/index.ts'

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
  /** Where the pack lies. */
  readonly path: string
  /** Of all packs of the same place at the same settings, whatever the content was. */
  readonly family: string
}

/** @param key hex, of content and settings together */
export function packNames(folder: string, source: string, settings: string, key: string): PackNames {
  const place = createHash('sha256').update(`${resolve(source)}\0${settings}`).digest('hex').slice(0, 12)
  const readable = basename(source).replaceAll(/[^\w.-]+/g, '_').slice(0, 40) || 'pictures'
  const family = `${readable}-${place}-`
  return { path: join(folder, `${family}${key.slice(0, 24)}.pack`), family }
}

/** Removes the packs of a family whose content has changed since. */
export async function removeStale({ path, family }: PackNames): Promise<void> {
  const folder = join(path, '..')
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(family) && name.endsWith('.pack') && name !== basename(path)) await rm(join(folder, name), { force: true })
  }
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
    return true
  } finally {
    lock.release()
  }
}
