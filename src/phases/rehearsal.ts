/** A training phase as its configuration says, but short, in folders that are thrown away: for measuring, not for weights. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Callback } from '../train/index.ts'
import type { Logger } from '../util/logger.ts'
import { predecessors, type PhaseName } from './context.ts'
import { runPipeline } from './pipeline.ts'
import type { PipelineConfig } from './pipeline-config.ts'
import type { TrainingOptions } from './options/training.ts'
import { newestRun, runPaths } from './run-folder.ts'

export type TrainingPhaseName = Exclude<PhaseName, 'evaluate' | 'export'>

export interface RehearsalOptions {
  readonly phase: TrainingPhaseName
  /** what differs from the configuration; its length in steps */
  readonly changes: Partial<TrainingOptions> & { readonly steps: number }
  readonly callbacks: readonly Callback[]
  /** asked after each step, after the callbacks: nothing more is trained or saved then */
  readonly isOver: () => boolean
  readonly logger: Logger
  readonly signal?: AbortSignal
}

/** Ends a training from within; no failure. */
class Over extends Error {}

/**
 * Begins where the phase would: at the best snapshot of its predecessor in the newest run of the configuration's name.
 *
 * @returns whether it came to its end; false when it was interrupted
 */
export async function rehearse(config: PipelineConfig, options: RehearsalOptions): Promise<boolean> {
  const { phase, changes, callbacks, isOver, logger, signal } = options
  const folder = mkdtempSync(join(tmpdir(), 'trivium-rehearsal-'))
  const { directory, name } = config.run
  const short = {
    ...config,
    run: { name: 'rehearsal', directory: folder, snapshotFallback: null },
    [phase]: {
      ...config[phase],
      epochs: null,
      examples: null,
      useValidation: false,
      earlyStopping: false,
      lra: null,
      askEpoch: null,
      nonFinite: 'abort',
      ...changes,
    },
  }
  const run = runPaths(folder, 'rehearsal')
  for (const made of [run.snapshots, run.logs]) mkdirSync(made, { recursive: true })
  const parentRun = predecessors[phase].length === 0 ? null : newestRun(directory, name)
  const end: Callback = {
    name: 'rehearsal',
    onStepEnd() {
      if (isOver()) throw new Over()
    },
  }
  try {
    const { outcome } = await runPipeline(short, {
      phases: [phase],
      run: { run, parentRun, isNew: false },
      callbacks: [...callbacks, end],
      logger,
      ...(signal === undefined ? {} : { signal }),
    })
    return outcome === 'finished'
  } catch (error) {
    if (error instanceof Over) return true
    // What is looked for in vain would be in the run, not in a folder that nobody knows.
    const known = parentRun?.snapshots ?? join(directory, 'snapshots', name)
    if (error instanceof Error) error.message = error.message.replaceAll(run.snapshots, known)
    throw error
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
