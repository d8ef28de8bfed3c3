/** The process of one trial: receives a job, runs its phases, reports each epoch, ends. It does not outlive the sweep. */
import { join } from 'node:path'
import { configToYaml, resolveConfig, type ResolvedConfig } from '../../config/index.ts'
import { runPipeline } from '../../phases/index.ts'
import type { EpochRecord } from '../../tracking/index.ts'
import { errorReason, NonFiniteError } from '../../util/errors.ts'
import { ensureDirSync } from '../../util/files.ts'
import { createLogger, type Logger } from '../../util/logger.ts'
import { exitCodeOf, exitCodes } from '../exit-codes.ts'
import { locateError } from '../locate-error.ts'
import { pipelineConfig } from '../session.ts'
import { openTracking, type Tracking } from '../tracking.ts'
import { latencyOf } from './latency.ts'
import type { FailureKind } from '../../sweep/index.ts'
import type { TrialJob, TrialMessage } from './messages.ts'

const stop = new AbortController()
process.on('SIGTERM', () => stop.abort(new DOMException('stopped', 'AbortError')))
process.on('SIGINT', () => undefined) // Ctrl-C reaches the whole group; the sweep decides what happens to its trials
process.on('disconnect', () => process.exit(1)) // the sweep is gone
process.once('message', (job: TrialJob) => void run(job))

async function run({ request, run: paths, parentRun, resume, measureLatency }: TrialJob): Promise<void> {
  let resolved: ResolvedConfig | null = null
  let tracking: Tracking | null = null
  let exitCode: number = exitCodes.ok
  try {
    for (const folder of [paths.snapshots, paths.logs]) ensureDirSync(folder)
    resolved = resolveConfig(request)
    const files = createLogger({ files: [join(paths.logs, 'full_pipeline.log')], consoleLevel: 'silent' })
    tracking = openTracking(resolved, files)
    const { hooks } = tracking
    const result = await runPipeline(pipelineConfig(resolved), {
      phases: resolved.phases,
      logger: withEpochs(files, (record) => send({ kind: 'epoch', record, isLast: record.is_last === true })),
      signal: stop.signal,
      resume,
      run: { run: paths, parentRun, isNew: false },
      configText: configToYaml(resolved),
      ...(hooks === null ? {} : { callbacks: [hooks.callback], onRun: hooks.onRun, onResult: hooks.onResult }),
    })
    if (result.outcome !== 'finished') exitCode = exitCodes.interrupted
    const metrics = Object.assign({}, ...result.phases.map((phase) => phase.metrics)) as Record<string, number>
    const seconds = result.phases.reduce((sum, phase) => sum + phase.seconds, 0)
    const written = result.phases.flatMap((phase) => phase.files)
    const latency = measureLatency && result.outcome === 'finished' ? { latencyMs: await latencyOf(written) } : {}
    send({ kind: 'result', outcome: result.outcome, metrics: { ...metrics, seconds, ...latency } })
  } catch (thrown) {
    exitCode = exitCodeOf(thrown)
    sendError(resolved === null ? thrown : locateError(thrown, resolved))
  }
  await tracking?.finish(exitCode)
  end()
}

/** What was thrown where nobody waits for it: a log file that could not be written, for one. */
process.once('uncaughtException', (error) => {
  sendError(error)
  end()
})

function sendError(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  send({ kind: 'error', failure: failureOf(error), message })
}

function failureOf(error: unknown): FailureKind | 'disk' {
  if (exitCodeOf(error) === exitCodes.io) return 'disk'
  if (error instanceof NonFiniteError) return 'nan'
  return errorReason(error) === 'out of memory' ? 'out-of-memory' : 'error'
}

function end(): never {
  process.disconnect()
  process.exit(0)
}

function send(message: TrialMessage): void {
  process.send?.(message)
}

type LoggedEpoch = EpochRecord & { readonly is_last?: boolean }

/** A logger that also hands on the records of finished epochs. */
function withEpochs(logger: Logger, onEpoch: (record: LoggedEpoch) => void): Logger {
  return {
    debug: (message, data) => logger.debug(message, data),
    info(message, data) {
      logger.info(message, data)
      if (data !== undefined && 'epoch' in data && 'val_accuracy' in data) onEpoch(data as LoggedEpoch)
    },
    warn: (message, data) => logger.warn(message, data),
    error: (message, data) => logger.error(message, data),
    child: (bindings) => withEpochs(logger.child(bindings), onEpoch),
  }
}
