/** `best` as a training finds it when it goes on. */
import { realpath } from 'node:fs/promises'
import { readSnapshot, type Snapshot, type Snapshots } from '../snapshot/index.ts'
import { SnapshotError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { parseTrainingState } from './state.ts'

/**
 * What `best` names may have been damaged or deleted since: where the snapshot to go on from is that of the best epoch itself, it gets the
 * name, and otherwise it takes its place until a later epoch has one.
 *
 * @param snapshot what the training goes on from
 * @returns the same, or with a state that knows of no best epoch
 * @throws {SnapshotError} when `best` cannot be made to name it
 */
export async function withBestNamed(store: Snapshots, snapshot: Snapshot, logger: Logger): Promise<Snapshot> {
  const state = parseTrainingState(snapshot.state, snapshot.path)
  const { best, epoch, batchInEpoch } = state
  if (best === null) return snapshot
  const named = await store.pointer('best')
  // Without a validation part each epoch's end is the best.
  const isBest = batchInEpoch === 0 && (best.epoch === epoch || (best.loss === null && best.accuracy === null))
  if (isBest) {
    const target = named === null ? null : await realpath(named).catch(() => null)
    if (target !== snapshot.path) await store.nameBest(snapshot.path)
    return snapshot
  }
  const damage =
    named === null ? `${store.folder}: expected best to name a snapshot, it does not.` : await damageOf(named)
  if (damage === null) return snapshot
  logger.warn(
    `${damage} ${snapshot.path} takes its place until a later epoch has one, whatever the earlier one had reached.`,
  )
  await store.nameBest(snapshot.path)
  return { ...snapshot, state: { ...state, best: null } }
}

async function damageOf(best: string): Promise<string | null> {
  try {
    await readSnapshot(best)
    return null
  } catch (error) {
    if (error instanceof SnapshotError) return `${error.message} It was the best one.`
    throw error
  }
}
