/** Where a phase's starting weights come from: an explicit path, or the best snapshot of its predecessor. */
import { join } from 'node:path'
import { findSnapshot, readSnapshot, type Snapshot } from '../snapshot/index.ts'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import { predecessors, type PhaseContext, type PhaseName, type RunPaths } from './context.ts'

/** @throws {SnapshotError} when `path` is a kind of file that is no snapshot */
export function refusePickle(path: string, option: string): void {
  if (/\.(pth|pt|bin|ckpt|th)$/i.test(path))
    throw new SnapshotError(
      `${option}: ${path} is a PyTorch checkpoint; reading those is not available yet. ` +
        'Give a snapshot folder (snapshots/<run>/<phase>/best) or a .safetensors file.',
    )
}

/**
 * Finds out before hours of training that nothing of it gives the classifier that evaluate and export need.
 *
 * @throws {ConfigError} when none of the phases trains one, the run has none, and none is named
 */
export async function expectClassifier(
  phases: readonly PhaseName[],
  named: Readonly<Record<'evaluate' | 'export', string | null>>,
  runs: Pick<PhaseContext, 'run' | 'parentRun'>,
): Promise<void> {
  for (const phase of ['evaluate', 'export'] as const) {
    if (!phases.includes(phase) || named[phase] !== null) continue
    if (predecessors[phase].some((predecessor) => phases.includes(predecessor))) continue
    for (const run of [runs.run, runs.parentRun])
      for (const predecessor of run === null ? [] : predecessors[phase])
        if ((await findSnapshot(join((run as RunPaths).snapshots, predecessor))) !== null) return
    throw new ConfigError(
      `${phase} needs a trained classifier, and none of ${phases.join(', ')} trains one. ` +
        `Add ${predecessors[phase].join(', ')} to the phases, or give ${phase}.model.`,
    )
  }
}

/**
 * The snapshot at `explicit`, or the best of the nearest predecessor in this run or its parent; null when there is none.
 *
 * @throws {SnapshotError} when `explicit` is not a snapshot, or the one found is damaged
 */
export async function startingSnapshot(
  phase: PhaseName,
  explicit: { readonly path: string | null; readonly option: string },
  context: Pick<PhaseContext, 'run' | 'parentRun'>,
): Promise<Snapshot | null> {
  if (explicit.path !== null) {
    refusePickle(explicit.path, explicit.option)
    return readSnapshot(explicit.path)
  }
  for (const run of [context.run, context.parentRun]) {
    if (run === null) continue
    for (const predecessor of predecessors[phase]) {
      const found = await findSnapshot(join(run.snapshots, predecessor))
      if (found !== null) return readSnapshot(found)
    }
  }
  return null
}
