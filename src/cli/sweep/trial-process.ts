/** The process of one trial: receives a job, runs its phases, reports each epoch, ends. It does not outlive the sweep. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { configToYaml, resolveConfig, type ResolvedConfig } from '../../config/index.ts'
import { runPipeline } from '../../phases/index.ts'
import type { EpochRecord } from '../../tracking/index.ts'
import { errorReason, NonFiniteError } from '../../util/errors.ts'
import { createLogger, type Logger } from '../../util/logger.ts'
import { locateError } from '../locate-error.ts'
import { pipelineConfig } from '../session.ts'
import { latencyOf } from './latency.ts'
import type { TrialJob, TrialMessage } from './messages.ts'

const stop = new AbortController()
process.on('SIGTERM', () => stop.abort(new DOMException('stopped', 'AbortError')))
process.on('SIGINT', () => undefined) // Ctrl-C reaches the whole group; the sweep decides what happens to its trials
process.on('disconnect', () => process.exit(1)) // the sweep is gone
process.once('message', (job: TrialJob) => void run(job))

async function run({ request, run: paths, parentRun, resume, measureLatency }: TrialJob): Promise<void> {
  let resolved: ResolvedConfig | null = null
  try {
    for (const folder of [paths.snapshots, paths.logs]) mkdirSync(folder, { recursive: true })
    resolved = resolveConfig(request)
    const files = createLogger({ files: [join(paths.logs, 'full_pipeline.log')], consoleLevel: 'silent' })
    const result = await runPipeline(pipelineConfig(resolved), {
      phases: resolved.phases,
      logger: withEpochs(files, (record) => send({ kind: 'epoch', record })),
      signal: stop.signal,
      resume,
      run: { run: paths, parentRun, isNew: false },
      configText: configToYaml(resolved),
    })
    const metrics = Object.assign({}, ...result.phases.map((phase) => phase.metrics)) as Record<string, number>
    const seconds = result.phases.reduce((sum, phase) => sum + phase.seconds, 0)
    const written = result.phases.flatMap((phase) => phase.files)
    const latency = measureLatency && result.outcome === 'finished' ? { latencyMs: await latencyOf(written) } : {}
    send({ kind: 'result', outcome: result.outcome, metrics: { ...metrics, seconds, ...latency } })
  } catch (thrown) {
    const error = resolved === null ? thrown : locateError(thrown, resolved)
    const message = error instanceof Error ? error.message : String(error)
    const outOfMemory = errorReason(error) === 'out of memory'
    const failure = error instanceof NonFiniteError ? 'nan' : outOfMemory ? 'out-of-memory' : 'error'
    send({ kind: 'error', failure, message })
  }
  process.disconnect()
  process.exit(0)
}

function send(message: TrialMessage): void {
  process.send?.(message)
}

/** A logger that also hands on the records of finished epochs. */
function withEpochs(logger: Logger, onEpoch: (record: EpochRecord) => void): Logger {
  return {
    debug: (message, data) => logger.debug(message, data),
    info(message, data) {
      logger.info(message, data)
      if (data !== undefined && 'epoch' in data && 'val_accuracy' in data) onEpoch(data as EpochRecord)
    },
    warn: (message, data) => logger.warn(message, data),
    error: (message, data) => logger.error(message, data),
    child: (bindings) => withEpochs(logger.child(bindings), onEpoch),
  }
}
