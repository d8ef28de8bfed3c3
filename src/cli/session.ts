/** One run of the pipeline: log files, progress, signals, and what is said at the end. */

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { exitNow, torch } from '../binding/index.ts'
import { configToYaml, type ResolvedConfig } from '../config/index.ts'
import {
  type PhaseResult,
  phaseNames,
  type PipelineConfig,
  type PipelineResult,
  runPipeline,
  type RunPaths,
  trainingPhaseNames,
} from '../phases/index.ts'
import { fallbackOf, newestNamed, readSnapshot } from '../snapshot/index.ts'
import { writeError } from '../util/files.ts'
import { createLogger, type RootLogger } from '../util/logger.ts'
import type { Invocation } from './command.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { askAtTerminal } from './ask.ts'
import { locateError } from './locate-error.ts'
import { nextCommand, resumeCommand } from './next-command.ts'
import { wantsColor } from './output.ts'
import { createProgress } from './progress.ts'
import { errorToJson, reportError } from './report-error.ts'
import { changedKeys } from './saved-config.ts'
import { exitCodeOfSignal, handleInterrupts } from './signals.ts'
import { openTracking, type Tracking } from './tracking.ts'

/** Runs the phases of a resolved configuration. @returns the exit code; errors are reported here, where the run is known */
export async function runSession(resolved: ResolvedConfig, invocation: Invocation): Promise<number> {
  const { output, json, quiet, debug, args } = invocation
  torch.versions() // before any folder is made: a missing addon must leave nothing behind
  const progress = createProgress({ quiet })
  const logger = createLogger({
    write: (text) => progress.write(text),
    color: wantsColor(process.stderr),
    level: resolved.config.logging.level,
    consoleLevel: quiet ? 'warn' : 'info',
  })
  const interrupts = handleInterrupts({
    announce: (text) => logger.warn(text),
    restore: () => progress.restore(),
    exitNow,
  })
  let run: RunPaths | null = null
  let tracking: Tracking | null = null
  try {
    tracking = openTracking(resolved, logger)
    const { hooks } = tracking
    for (const { phase, reason } of resolved.skipped) logger.warn(`${phase} does not run: ${reason}`)
    for (const notice of resolved.withoutEffect) logger.warn(notice)
    if (invocation.flags.switch('resume'))
      for (const change of changedKeys(resolved)) logger.warn(`not what this run was started with: ${change}`)
    const result = await runPipeline(pipelineConfig(resolved), {
      phases: resolved.phases,
      resume: invocation.flags.switch('resume'),
      logger,
      progress,
      signal: interrupts.signal,
      ask: askAtTerminal(progress, interrupts.signal),
      configText: configToYaml(resolved),
      onRun(paths) {
        run = paths
        openLogs(logger, paths, resolved.config.logging.file)
        hooks?.onRun(paths)
      },
      callbacks: hooks === null ? [] : [hooks.callback],
      onResult: (phaseResult) => hooks?.onResult(phaseResult),
    })
    progress.restore()
    const kept = await lastSnapshot(result.run)
    const stopped = kept === null ? exitCodeOfSignal(interrupts.received ?? 'SIGINT') : exitCodes.interrupted
    const code = result.outcome === 'finished' ? exitCodes.ok : stopped
    await tracking.finish(code)
    const next = result.outcome === 'finished' ? nextCommand(result, args) : resumeCommand(result.run, args)
    if (json) output.result(JSON.stringify(resultJson(result, code, next), null, 2))
    else output.result(summary(result, kept, next))
    return code
  } catch (thrown) {
    progress.restore()
    const error = locateError(thrown, resolved)
    const code = exitCodeOf(error)
    const kept = run === null ? null : await lastSnapshot(run)
    const context = { debug, kept, next: run === null || kept === null ? null : resumeCommand(run, args) }
    await tracking?.finish(code)
    logger.debug(error instanceof Error ? (error.stack ?? error.message) : String(error))
    if (json) output.result(JSON.stringify(errorToJson(error, code, context), null, 2))
    reportError(error, output, context)
    return code
  } finally {
    interrupts.dispose()
  }
}

/** What the pipeline is given: its own sections, with `enabled` telling what runs now. */
export function pipelineConfig({ config, phases }: ResolvedConfig): PipelineConfig {
  const own = Object.entries(config).filter(([name]) => name !== 'logging' && name !== 'phases')
  const enabled = phaseNames.map((name) => [name, { ...config[name], enabled: phases.includes(name) }])
  return Object.fromEntries([...own, ...enabled]) as PipelineConfig
}

function openLogs(logger: RootLogger, run: RunPaths, further: string | null): void {
  for (const path of [join(run.logs, 'full_pipeline.log'), further]) {
    if (path === null) continue
    try {
      logger.addFile(path)
    } catch (error) {
      throw writeError(error, path)
    }
  }
}

/** The newest snapshot of any phase of the run that is whole, or null. */
async function lastSnapshot(run: RunPaths): Promise<string | null> {
  const found: { path: string; time: number }[] = []
  for (const phase of trainingPhaseNames) {
    const folder = join(run.snapshots, phase)
    const folders = [folder, await fallbackOf(folder)].filter((each) => each !== null)
    const path = await newestNamed(folders, 'last')
    if (path === null) continue
    found.push({ path, time: statSync(path).mtimeMs })
  }
  for (const { path } of found.sort((a, b) => b.time - a.time)) {
    const whole = await readSnapshot(path).then(
      () => true,
      () => false,
    )
    if (whole) return path
  }
  return null
}

/** Where everything is, and what to try next. */
function summary(result: PipelineResult, kept: string | null, next: string): string {
  const { run } = result
  const files = allFiles(result)
  const ending = (...endings: string[]): string[] => files.filter((path) => endings.some((end) => path.endsWith(end)))
  const top1 = result.phases.find(({ phase }) => phase === 'evaluate')?.metrics['top1']
  const lines: [string, readonly string[]][] = [
    ['top-1', top1 === undefined ? [] : [`${(100 * top1).toFixed(2)} %`]],
    ['metrics', ending('metrics.json')],
    ['tables', ending('.csv')],
    ['plots', ending('.png')],
    ['model', ending('.onnx', '.pt')],
    ['snapshots', kept === null ? [] : [run.snapshots]],
    ['log', [join(run.logs, 'full_pipeline.log')]],
    [result.outcome === 'finished' ? 'next' : 'resume', [next]],
  ]
  const head =
    result.outcome === 'finished'
      ? `run ${run.name} is done`
      : kept === null
        ? `run ${run.name} was stopped before its first snapshot; --resume begins it again`
        : `run ${run.name} was stopped; nothing is lost`
  return [
    '',
    head,
    ...lines.flatMap(([name, values]) =>
      values.map((value, index) => `  ${(index === 0 ? name : '').padEnd(10)}${value}`),
    ),
  ].join('\n')
}

function resultJson(result: PipelineResult, code: number, next: string): object {
  const phase = ({ phase: name, outcome, snapshot, files, metrics, seconds }: PhaseResult): object => ({
    phase: name,
    outcome,
    snapshot,
    files,
    metrics,
    seconds,
  })
  return {
    ok: result.outcome === 'finished',
    exit_code: code,
    outcome: result.outcome,
    run: result.run.name,
    folders: { snapshots: result.run.snapshots, logs: result.run.logs, eval_results: result.run.evalResults },
    phases: result.phases.map(phase),
    files: allFiles(result),
    next,
  }
}

function allFiles(result: PipelineResult): string[] {
  return [...new Set([...result.phases.flatMap(({ files }) => files), ...result.files])]
}
