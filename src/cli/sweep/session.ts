/** One call of `run-pipeline sweep`: shared phases once, then trials by workers, files after each, and a summary. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { configToYaml, resolveConfig, type ConfigRequest, type SweepFile } from '../../config/index.ts'
import type { RunPaths } from '../../phases/index.ts'
import { readPointer, readSnapshot } from '../../snapshot/index.ts'
import { isFinished, isOver, newOwner, type Study, type Trial } from '../../sweep/index.ts'
import { ConfigError, SnapshotError } from '../../util/errors.ts'
import { writeFileAtomic } from '../../util/files.ts'
import { dropSnapshots, runIn, type SweepFolders } from './folders.ts'
import type { LiveTable } from './live-table.ts'
import { requestFor, runTrial } from './run-trial.ts'
import { runJob } from './run-job.ts'
import { trialsCsv } from './trials-csv.ts'

export interface SweepSetup {
  readonly study: Study
  readonly file: SweepFile
  readonly request: ConfigRequest
  readonly folders: SweepFolders
  /** holds sweep_logs/ and sweep_snapshots/ */
  readonly root: string
  readonly trials: number
  readonly workers: number
  readonly signal: AbortSignal
  readonly live: LiveTable
  readonly note: (text: string) => void
}

const POLL_MS = 500

export async function runSweep(setup: SweepSetup): Promise<readonly Trial[]> {
  const { study, workers, live, folders } = setup
  const parentRun = await sharedRun(setup)
  // A worker that cannot go on (the disk, the storage) ends the others, which give their trials back.
  const failure = new AbortController()
  const signal = AbortSignal.any([setup.signal, failure.signal])
  const work = async (): Promise<void> => {
    const owner = newOwner()
    const { heartbeatEvery } = study.storage
    const beat = (): void => void study.storage.heartbeat(owner).catch(() => undefined) // the next call says what is wrong
    const heart = heartbeatEvery === null ? undefined : setInterval(beat, heartbeatEvery)
    try {
      while (!signal.aborted) {
        const trial = await study.ask({ limit: setup.trials, owner })
        if (trial === null) {
          if (isOver(await study.trials(), setup.trials)) return
          await new Promise((resolve) => setTimeout(resolve, POLL_MS))
          continue
        }
        live.update(await study.trials())
        await runTrial(trial, { ...setup, signal, parentRun })
        const trials = await study.trials()
        const told = trials[trial.number]!
        if (isFinished(told)) live.finished(told, trials)
        await writeFiles(setup, trials)
      }
    } finally {
      clearInterval(heart)
    }
  }
  const redraw = setInterval(
    () =>
      void study.trials().then(
        (trials) => live.update(trials),
        () => undefined, // the workers' next call says what is wrong
      ),
    1000,
  )
  try {
    const end = (error: unknown): void => failure.abort(error)
    await Promise.all(Array.from({ length: workers }, () => work().catch(end)))
    if (failure.signal.aborted) throw failure.signal.reason
    const trials = await study.trials()
    await writeFiles(setup, trials)
    dropSnapshots(folders, kept(study, trials))
    return trials
  } finally {
    clearInterval(redraw)
    live.stop()
  }
}

/** Runs the shared phases where they have not been run to their end; null when there are none. */
async function sharedRun({ file, request, folders, root, signal, note }: SweepSetup): Promise<RunPaths | null> {
  if (file.shared.length === 0) return null
  const run = runIn(folders, root, 'shared')
  const done = await Promise.all(file.shared.map((phase) => isFinishedPhase(join(run.snapshots, phase))))
  if (done.every(Boolean)) return run
  note(`shared phases: ${file.shared.join(', ')} …`)
  const outcome = await runJob(
    { request: { ...request, phases: file.shared }, run, parentRun: null, resume: true, measureLatency: false },
    { signal },
  )
  if (outcome.kind === 'disk') throw new SnapshotError(`the shared phases: ${outcome.message}`, { reason: 'disk full' })
  if (outcome.kind === 'failed') throw new ConfigError(`the shared phases failed: ${outcome.failure.message}`)
  return run
}

async function isFinishedPhase(folder: string): Promise<boolean> {
  const last = existsSync(folder) ? await readPointer(folder, 'last') : null
  if (last === null) return false
  const { state } = await readSnapshot(join(folder, last))
  return (state as { finished?: unknown } | null)?.finished === true
}

async function writeFiles({ study, folders, file, request }: SweepSetup, trials: readonly Trial[]): Promise<void> {
  await writeFileAtomic(join(folders.logs, 'trials.csv'), trialsCsv(study, trials))
  const best = study.directions.length === 1 ? study.best(trials) : (study.paretoFront(trials)[0] ?? null)
  dropSnapshots(folders, kept(study, trials))
  if (best === null) return
  const phases = [...file.shared, ...file.phases]
  const resolved = resolveConfig(
    requestFor({ file, request: { ...request, name: `${study.name}-best` } }, best.params, phases),
  )
  const values = study.objectives.map((name, i) => `${name} ${best.values![i]}`).join(', ')
  const head = `# The best of ${trials.filter(isFinished).length} trials of the sweep ${study.name}: trial ${best.number}, ${values}.\n`
  await writeFileAtomic(join(folders.logs, 'best.yaml'), head + configToYaml(resolved))
}

/** Trials whose snapshots stay: the best, or the Pareto front, and those that run. */
function kept(study: Study, trials: readonly Trial[]): Set<number> {
  const best = study.directions.length === 1 ? [study.best(trials)] : study.paretoFront(trials)
  const running = trials.filter(({ state }) => state === 'running')
  return new Set([...best, ...running].flatMap((trial) => (trial === null ? [] : [trial.number])))
}
