/** A training as its snapshots hold it: which parts they have, how they are named, and how they are given back. */
import { torch, type Tensor } from '../binding/index.ts'
import type { Snapshot } from '../snapshot/index.ts'
import type { LoopParts } from './loop-parts.ts'
import type { TrainingState } from './state.ts'
import type { Stepper } from './step.ts'

/** "epoch-0003", or "epoch-0003-step-0000712" in the middle of the fourth. */
function snapshotName({ epoch, step, batchInEpoch }: TrainingState): string {
  const inside = batchInEpoch === 0 ? '' : `-step-${String(step).padStart(7, '0')}`
  return `epoch-${String(epoch).padStart(4, '0')}${inside}`
}

/** @returns the path of the snapshot */
export function saveTraining(
  { store, networks, emaNetworks, network, task }: LoopParts,
  stepper: Stepper,
  state: TrainingState,
  best: boolean,
): Promise<string> {
  return torch.scope(async () => {
    const parts = new Map<string, ReadonlyMap<string, Tensor>>([
      ['backbone', networks.backbone.stateDict()],
      ['head', networks.head.stateDict()],
    ])
    if (emaNetworks !== null) {
      parts.set('ema_backbone', emaNetworks.backbone.stateDict())
      parts.set('ema_head', emaNetworks.head.stateDict())
    }
    parts.set('optimizer', await stepper.optimizer.state())
    const remembered = task.state?.()
    if (remembered !== undefined && remembered.size > 0) parts.set('task', remembered)
    const metadata = { format: 'pt', trivium: JSON.stringify(network) }
    return store.save(snapshotName(state), { parts, state, order: state.step, metadata }, { best })
  })
}

/** @param stepper null leaves the optimizer as it is */
export async function loadTensors(
  { networks, emaNetworks, task }: LoopParts,
  snapshot: Snapshot,
  stepper: Stepper | null,
): Promise<void> {
  await torch.scope(async () => {
    await networks.backbone.loadStateDict(await snapshot.load('backbone'))
    await networks.head.loadStateDict(await snapshot.load('head'))
    await emaNetworks?.backbone.loadStateDict(await snapshot.load('ema_backbone'))
    await emaNetworks?.head.loadStateDict(await snapshot.load('ema_head'))
    if (stepper !== null) await stepper.optimizer.loadState(await snapshot.load('optimizer'))
    if (snapshot.parts.includes('task')) await task.restore?.(await snapshot.load('task'))
  })
}
