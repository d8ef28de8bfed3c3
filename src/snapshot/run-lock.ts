/** One process at a time writes into a run's folder. A kernel lock: it is gone the moment its owner dies, and never stolen. */
import { join } from 'node:path'
import { FileLock } from '../binding/index.ts'
import { SnapshotError } from '../util/errors.ts'

export interface RunLock {
  release(): void
}

/** @throws {SnapshotError} when another process works in `folder` */
export function lockRun(folder: string): RunLock {
  const path = join(folder, '.lock')
  const lock = FileLock.tryAcquire(path)
  if (lock === null)
    throw new SnapshotError(
      `${folder}: expected to be the only process that works on this run, but another one holds ${path}. ` +
        'Wait for it, stop it, or start a run of another name with --name.',
      { reason: 'locked' },
    )
  return lock
}
