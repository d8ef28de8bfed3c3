/** `run-pipeline sweep`: a search over configuration keys, each trial a run of its own process. */
import { availableParallelism } from 'node:os'
import { basename, extname, join } from 'node:path'
import { readSweepFile, resolveConfig, type ConfigRequest } from '../../config/index.ts'
import { isFinished, pruners, samplers } from '../../sweep/index.ts'
import { ConfigError } from '../../util/errors.ts'
import { timerDelay } from '../../util/timer.ts'
import type { Command, Invocation } from '../command.ts'
import { exitCodeOf, exitCodes } from '../exit-codes.ts'
import type { Flags } from '../flags.ts'
import { resumeSweepCommand, runConfigCommand } from '../next-command.ts'
import { handleInterrupts } from '../signals.ts'
import { table } from '../table.ts'

const CONFIGURATION = 'Configuration:'
const SEARCH = 'The search:'

const flags: Flags = {
  config: {
    kind: 'text',
    alias: 'c',
    group: CONFIGURATION,
    describe: 'YAML file that every trial starts from (default: digits)',
  },
  space: { kind: 'text', group: CONFIGURATION, describe: 'YAML file of the sweep: phases, objective, space' },
  set: {
    kind: 'repeated',
    group: CONFIGURATION,
    describe: 'one key of every trial, repeatable: --set data.image_size=16',
  },
  data: { kind: 'text', group: CONFIGURATION, describe: 'a folder of class folders with images' },
  device: { kind: 'text', group: CONFIGURATION, describe: 'auto, cpu, cuda, cuda:1 …' },
  directory: {
    kind: 'text',
    group: CONFIGURATION,
    describe: 'holds sweep_logs/ and sweep_snapshots/ (default: the working directory)',
  },
  trials: { kind: 'whole', minimum: 1, group: SEARCH, describe: 'trials in the study at the end (default: 20)' },
  sampler: { kind: 'text', group: SEARCH, describe: `${Object.keys(samplers).join(', ')} (default: tpe)` },
  pruner: {
    kind: 'text',
    group: SEARCH,
    describe: `${Object.keys(pruners).join(', ')} (default: median; several objectives: none)`,
  },
  workers: { kind: 'whole', minimum: 1, group: SEARCH, describe: 'trials at the same time (default: 1)' },
  seed: {
    kind: 'whole',
    minimum: 0,
    group: SEARCH,
    describe: 'seed of the search (default: 0); that of the runs is the configuration’s',
  },
  name: { kind: 'text', group: SEARCH, describe: 'name of the study (default: of the space file)' },
  storage: {
    kind: 'text',
    group: SEARCH,
    describe: 'a journal file or a postgresql:// URL (default: sweep_logs/<study>/journal.jsonl)',
  },
  resume: { kind: 'switch', group: SEARCH, describe: 'go on with the study of this name' },
  timeout: { kind: 'text', group: SEARCH, describe: 'stop after this time: 90s, 30m, 2h' },
}

export const sweepCommand: Command = {
  name: 'sweep',
  summary: 'Searches configuration keys: trials of chosen phases, pruned, resumed, by several workers.',
  usage: 'sweep --space <file> [options]',
  flags,
  takesWords: false,
  examples: [
    ['run-pipeline sweep --space configs/sweeps/quick-digits.yaml --trials 10', 'ten trials on the digits'],
    ['run-pipeline sweep --config my.yaml --space space.yaml --trials 50 --workers 2 --pruner asha', 'two at a time'],
  ],
  async run(invocation) {
    const { flags: values, output, json } = invocation
    const spacePath = values.text('space')
    if (spacePath === undefined)
      throw new ConfigError('sweep: expected --space <file>. docs/sweeps.md shows what it holds.')
    const file = readSweepFile(spacePath)
    const name = values.text('name') ?? basename(spacePath, extname(spacePath))
    const root = values.text('directory') ?? '.'
    const workers = values.number('workers') ?? 1
    const trials = values.number('trials') ?? 20
    const timeout = seconds(values.text('timeout'))
    const request = requestOf(invocation, name, workers)
    const asked = { sampler: values.text('sampler'), pruner: values.text('pruner'), seed: values.number('seed') }

    // What is wrong is said before anything is made.
    const { checkSearch, openStudy } = await import('../sweep/open-study.ts')
    checkSearch(name, asked, file)
    const resolved = resolveConfig({ ...request, phases: [...file.shared, ...file.phases] })
    const { checkObjectives } = await import('../sweep/check-objectives.ts')
    checkObjectives(file, resolved)
    const { checkTracking } = await import('../tracking.ts')
    checkTracking(resolved)
    const { checkValues } = await import('../sweep/check-values.ts')
    checkValues(file, request)

    const { sweepFolders } = await import('../sweep/folders.ts')
    const { createLiveTable, paramsText, short, summaryLine } = await import('../sweep/live-table.ts')
    const { setupOf } = await import('../sweep/setup.ts')
    const { writeReport } = await import('../sweep/write-report.ts')
    const { runSweep } = await import('../sweep/session.ts')
    const { exitNow } = await import('../../binding/index.ts')
    const folders = sweepFolders(root, name)
    const note = (text: string): void => (invocation.quiet ? undefined : output.note(text))
    const study = await openStudy({
      name,
      file,
      target: values.text('storage') ?? join(folders.logs, 'journal.jsonl'),
      isResumed: values.switch('resume'),
      asked,
      setup: setupOf(resolved, file),
      note: (text) => output.note(text),
    })
    const live = createLiveTable(study, trials, process.stderr, invocation.quiet)
    const stop = new AbortController()
    const interrupts = handleInterrupts({
      announce: () => output.note('stopping the trials … (again to stop at once)'),
      restore: () => live.stop(),
      exitNow,
    })
    interrupts.signal.addEventListener('abort', () => stop.abort(), { once: true })
    const timer = timeout === null ? undefined : setTimeout(() => stop.abort(), timerDelay(timeout))
    const goOn = `go on: ${resumeSweepCommand(invocation.args)}`
    try {
      for (const point of file.enqueue) await study.enqueue(point, { once: true })
      const all = await runSweep({
        study,
        file,
        request,
        folders,
        root,
        trials,
        workers,
        signal: stop.signal,
        live,
        note,
      }).catch((error: unknown) => {
        if (exitCodeOf(error) === exitCodes.io) output.note(goOn)
        throw error
      })
      const report = await writeReport(study, all, folders)
      const best = study.directions.length === 1 ? study.best(all) : null
      const ranked = best === null ? study.paretoFront(all) : [best]
      if (json) output.result(JSON.stringify({ study: name, objectives: study.objectives, trials: all }, null, 2))
      else {
        const isShort = all.filter(isFinished).length < trials
        const waiting = all.filter(({ state, number }) => state === 'waiting' && number >= trials).length
        const rows = ranked.map((trial) => [String(trial.number), ...trial.values!.map(short), paramsText(trial)])
        output.result(summaryLine(study, all, trials))
        if (rows.length > 0) output.result(table(['trial', ...study.objectives, 'parameters'], rows))
        output.result(`report: ${report}`)
        if (isShort && stop.signal.aborted) output.result(goOn)
        else if (isShort) output.result(`the ${study.sampler.name} sampler has no more points than these ${all.length}`)
        if (waiting > 0) output.result(`waiting: ${waiting} enqueued points, for --resume with --trials ${all.length}`)
        if (ranked.length > 0) output.result(`next: ${runConfigCommand(join(folders.logs, 'best.yaml'))}`)
      }
      if (interrupts.received !== null) return exitCodes.interrupted
      return all.length > 0 && all.every(({ state }) => state === 'failed') ? exitCodes.failure : exitCodes.ok
    } finally {
      clearTimeout(timer)
      interrupts.dispose()
      await study.close()
    }
  },
}

function requestOf({ flags: values }: Invocation, name: string, workers: number): ConfigRequest {
  const threads = Math.max(1, Math.floor(availableParallelism() / workers))
  return {
    config: values.text('config'),
    // Several trials share the processors; the user's own --set comes later and wins.
    set: [...(workers > 1 ? [`threads=${threads}`] : []), ...values.repeated('set')],
    name,
    data: values.text('data'),
    device: values.text('device'),
  }
}

/** `90s`, `30m`, `2h` in seconds. */
function seconds(text: string | undefined): number | null {
  if (text === undefined) return null
  const match = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(text)
  const value = Number(match?.[1]) * { s: 1, m: 60, h: 3600 }[match?.[2] ?? 's']!
  if (!(value > 0)) throw new ConfigError(`--timeout: expected a time such as 90s, 30m or 2h, got "${text}".`)
  return value
}
