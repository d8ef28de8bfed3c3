/** Several snapshots by one path. */
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { SnapshotError } from '../util/errors.ts'
import { findSnapshot } from './read.ts'

/**
 * Paths as they are given, but those whose last part holds a `*`: they become the snapshots beside each other whose names fit, in the order
 * of their names.
 *
 * @throws {SnapshotError} when nothing fits
 */
export async function matchingSnapshots(paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    const [folder, pattern] = [dirname(path), basename(path)]
    if (!pattern.includes('*')) {
      found.push(path)
      continue
    }
    const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
    const fits = new RegExp(`^${parts.join('.*')}$`)
    const names = (await readdir(folder).catch(() => [])).filter((name) => fits.test(name)).sort()
    const snapshots: string[] = []
    for (const name of names) if ((await findSnapshot(join(folder, name))) !== null) snapshots.push(join(folder, name))
    if (snapshots.length === 0)
      throw new SnapshotError(
        `${path}: expected snapshots whose names fit, found none. schedule.keep_cycles leaves cycle-01-… of each phase.`,
      )
    found.push(...snapshots)
  }
  return found
}
