/** The classifier that evaluate and export work on: an explicit snapshot, or the last training phase of the run. */
import type { Snapshot } from '../snapshot/index.ts'
import { SnapshotError } from '../util/errors.ts'
import { predecessors, type PhaseContext } from './context.ts'
import { startingSnapshot } from './lineage.ts'
import { loadNetworks, specOf, type NetworkPair, type NetworkSpec } from './networks.ts'

export interface TrainedModel {
  readonly snapshot: Snapshot
  readonly spec: NetworkSpec
  readonly pair: NetworkPair
}

/** @throws {SnapshotError} when there is no snapshot, or its network gives no class scores */
export async function openTrainedModel(
  phase: 'evaluate' | 'export',
  options: { readonly model: string | null; readonly useEma: boolean },
  context: PhaseContext,
): Promise<TrainedModel> {
  const snapshot = await startingSnapshot(phase, { path: options.model, option: `${phase}.model` }, context)
  if (snapshot === null)
    throw new SnapshotError(
      `${phase}: expected a trained classifier, but ${context.run.snapshots} has no snapshot of ${predecessors[phase].join(', ')}. ` +
        `Run one of these phases first, or give ${phase}.model.`,
    )
  if (specOf(snapshot).head.kind === 'projection')
    throw new SnapshotError(
      `${phase}: expected a classifier, but ${snapshot.path} has a projection head, which gives no class scores. ` +
        'Run the arcface phase on it, and take that phase’s snapshot.',
    )
  return { snapshot, ...(await loadNetworks(snapshot, options.useEma, context)) }
}
