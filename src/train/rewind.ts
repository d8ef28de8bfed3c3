/**
 * Going back from a step that broke, as one does by hand (Chowdhery et al. 2022, arXiv 2204.02311, section 5.1: to an earlier snapshot, and
 * without the batches that broke it). To go back is to resume: everything is built anew and restored from the snapshot, with the list of
 * the steps that broke, each of which has lowered the learning rate and is left out when it comes again.
 */
import { readSnapshot, type Snapshot } from '../snapshot/index.ts'
import type { LoopParts, LoopResult } from './loop-parts.ts'
import { RewindRequest } from './non-finite.ts'

/** What an attempt begins with. */
export type Beginning = Pick<LoopParts, 'resumeFrom' | 'rewinds'>

/**
 * @param attempt builds networks, task and loader, and trains; called again for each rewind
 * @throws {NonFiniteError} when `non_finite` allows no more
 * @throws {SnapshotError}  when what it goes back to cannot be read
 */
export async function trainWithRewinds<T = LoopResult>(
  resumeFrom: Snapshot | null,
  attempt: (beginning: Beginning) => Promise<T>,
): Promise<T> {
  let beginning: Beginning = { resumeFrom }
  for (;;) {
    try {
      return await attempt(beginning)
    } catch (error) {
      if (!(error instanceof RewindRequest)) throw error
      beginning = { resumeFrom: await readSnapshot(error.snapshot), rewinds: error.steps }
    }
  }
}
