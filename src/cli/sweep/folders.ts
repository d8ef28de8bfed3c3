/** Where a sweep keeps its files. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { RunPaths } from '../../phases/index.ts'

export interface SweepFolders {
  /** sweep_logs/<study>: journal.jsonl, trials.csv, best.yaml, logs of the trials */
  readonly logs: string
  /** sweep_snapshots/<study>: of the shared phases and of the best trial */
  readonly snapshots: string
}

export function sweepFolders(root: string, study: string): SweepFolders {
  return { logs: join(root, 'sweep_logs', study), snapshots: join(root, 'sweep_snapshots', study) }
}

/** `trial-0007` or `shared` inside a sweep's folders. */
export function runIn({ logs, snapshots }: SweepFolders, root: string, name: string): RunPaths {
  return {
    name,
    root,
    snapshots: join(snapshots, name),
    logs: join(logs, name),
    evalResults: join(logs, name, 'eval_results'),
  }
}

export function trialName(number: number): string {
  return `trial-${String(number).padStart(4, '0')}`
}

/** Deletes the snapshots of trials that are not in `keep` and not running. Nothing but `trial-NNNN` folders is touched. */
export function dropSnapshots({ snapshots }: SweepFolders, keep: ReadonlySet<number>): void {
  if (!existsSync(snapshots)) return
  for (const name of readdirSync(snapshots)) {
    const number = /^trial-(\d{4,})$/.exec(name)?.[1]
    if (number !== undefined && !keep.has(Number(number)))
      rmSync(join(snapshots, name), { recursive: true, force: true })
  }
}
