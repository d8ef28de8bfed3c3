/** Several snapshots by one path. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, parse, sep } from 'node:path'
import { SnapshotError } from '../util/errors.ts'
import { findSnapshot } from './read.ts'

/**
 * Paths as they are given, but those with a `*` in some part: they become the snapshots whose paths fit, in the order of their names. A `*`
 * stands for any letters within one name.
 *
 * @throws {SnapshotError} when nothing fits
 */
export async function matchingSnapshots(paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    if (!path.includes('*')) {
      found.push(path)
      continue
    }
    const snapshots: string[] = []
    for (const fitting of await pathsThatFit(path)) if ((await findSnapshot(fitting)) !== null) snapshots.push(fitting)
    if (snapshots.length === 0)
      throw new SnapshotError(
        `${path}: expected snapshots whose names fit, found none. schedule.keep_cycles leaves cycle-01-… of each phase.`,
      )
    found.push(...snapshots)
  }
  return found
}

async function pathsThatFit(path: string): Promise<string[]> {
  const { root } = parse(path)
  let fitting = [root]
  for (const part of path.slice(root.length).split(sep)) {
    const next: string[] = []
    for (const folder of fitting) {
      if (part.includes('*')) next.push(...(await namesThatFit(folder, part)))
      else next.push(join(folder, part))
    }
    fitting = next.filter((candidate) => existsSync(candidate))
  }
  return fitting
}

async function namesThatFit(folder: string, pattern: string): Promise<string[]> {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const fits = new RegExp(`^${parts.join('.*')}$`)
  const names = await readdir(folder === '' ? '.' : folder).catch(() => [])
  return names
    .filter((name) => fits.test(name))
    .sort()
    .map((name) => join(folder, name))
}
