/** One trial: its configuration, its process, its reports, and what is told to the study. */
import { rmSync } from 'node:fs'
import { snakeCase, type ConfigRequest, type SweepFile } from '../../config/index.ts'
import type { RunPaths } from '../../phases/index.ts'
import type { EpochRecord } from '../../tracking/index.ts'
import type { ActiveTrial, Params } from '../../sweep/index.ts'
import { SnapshotError } from '../../util/errors.ts'
import { runIn, trialName, type SweepFolders } from './folders.ts'
import { runJob } from './run-job.ts'

export interface TrialSetup {
  readonly file: SweepFile
  readonly request: ConfigRequest
  readonly folders: SweepFolders
  readonly root: string
  readonly parentRun: RunPaths | null
  readonly signal: AbortSignal
}

/** The configuration of a trial: that of the sweep with the trial's parameters on top. */
export function requestFor(
  setup: Pick<TrialSetup, 'file' | 'request'>,
  params: Params,
  phases: TrialSetup['file']['phases'] = setup.file.phases,
): ConfigRequest {
  const overrides = Object.entries(params).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  return { ...setup.request, set: [...(setup.request.set ?? []), ...overrides], phases }
}

/** Runs a trial to its end and tells the study. */
export async function runTrial(trial: ActiveTrial, setup: TrialSetup): Promise<void> {
  const { file, folders, root, parentRun, signal } = setup
  const stop = new AbortController()
  const onAbort = (): void => stop.abort()
  signal.addEventListener('abort', onAbort, { once: true })
  let pruned = false
  let reports: Promise<void> = Promise.resolve()
  const onEpoch = (record: EpochRecord, isLast: boolean): void => {
    const value = intermediate(record, file)
    if (value === null) return
    reports = reports
      .then(async () => {
        // What its process did after the verdict, before it heard of it, is no part of the trial.
        if (pruned) return
        await trial.report(value, record.epoch)
        // Nothing is saved at the last epoch.
        if (!isLast && (await trial.shouldPrune())) {
          pruned = true
          stop.abort()
        }
      })
      .catch(() => stop.abort()) // the storage failed: the end of the trial says how
  }
  try {
    const run = runIn(folders, root, trialName(trial.number))
    // What an earlier start of this trial left: it begins anew.
    for (const folder of [run.snapshots, run.logs]) rmSync(folder, { recursive: true, force: true })
    const outcome = await runJob(
      {
        request: requestFor(setup, trial.params),
        run,
        parentRun,
        resume: false,
        measureLatency: measuresLatency(file),
      },
      { signal: stop.signal, onEpoch },
    )
    await reports
    if (outcome.kind === 'disk') {
      // A journal on that disk cannot say so either: the next sweep finds the worker gone.
      await trial.release().catch(() => undefined)
      throw new SnapshotError(`trial ${trial.number}: ${outcome.message} No trial was counted as failed.`, {
        reason: 'disk full',
      })
    }
    // The verdict counts, also when the process came to its end before it heard of it: the reports decide, not the clock.
    if (pruned) await trial.stop()
    else if (outcome.kind === 'finished') await tellMetrics(trial, file, outcome.metrics)
    else if (outcome.kind === 'failed') await trial.fail(outcome.failure.kind, outcome.failure.message)
    else await trial.release()
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function measuresLatency({ objectives }: SweepFile): boolean {
  return objectives.some(({ metric }) => metric === 'latencyMs')
}

async function tellMetrics(
  trial: ActiveTrial,
  file: SweepFile,
  metrics: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [name, value] of Object.entries(metrics)) if (Number.isFinite(value)) trial.set(name, value)
  const missing = file.objectives.find(({ metric }) => metrics[metric] === undefined)
  if (missing !== undefined) {
    const known = Object.keys(metrics).map(snakeCase).join(', ')
    await trial.fail('unreported', `no phase reported ${snakeCase(missing.metric)}; reported: ${known}`)
    return
  }
  await trial.complete(file.objectives.map(({ metric }) => metrics[metric]!))
}

/** What the pruner compares: the objective's own validation number, of the last phase that trains. */
function intermediate(record: EpochRecord, { objectives, phases }: SweepFile): number | null {
  const last = phases.findLast((phase) => phase !== 'evaluate' && phase !== 'export')
  if (record.phase !== last || objectives.length > 1) return null
  const { metric, direction } = objectives[0]!
  if (/loss|nll/i.test(metric)) return record.val_loss
  if (direction === 'maximize') return record.val_accuracy
  return null
}
