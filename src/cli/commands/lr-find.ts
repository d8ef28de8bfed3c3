/** `run-pipeline lr-find`: the learning-rate range test of one phase, as a plot and as JSON. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'
import { ConfigError, NonFiniteError } from '../../util/errors.ts'
import { createLogger } from '../../util/logger.ts'
import type { Command, Invocation } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { pipelineConfig } from '../session.ts'
import { interruptible, measuringFlags, phaseToMeasure } from './measuring.ts'

export const lrFindCommand: Command = {
  name: 'lr-find',
  summary: 'Lets the learning rate of a phase grow step by step, and suggests one from what its loss does.',
  usage: 'lr-find [--config <file>] [--phase <phase>] [--output <file.png|file.svg>]',
  flags: {
    ...measuringFlags,
    from: { kind: 'number', minimum: 0, exclusive: true, describe: 'rate of the first step (default 1e-6)' },
    to: { kind: 'number', minimum: 0, exclusive: true, describe: 'rate of the last step (default 10)' },
    steps: { kind: 'whole', minimum: 10, describe: 'steps (default 100)' },
    output: { kind: 'text', alias: 'o', describe: 'plot to write, PNG or SVG; JSON beside it (default lr-find.png)' },
  },
  takesWords: false,
  examples: [
    ['run-pipeline lr-find --phase train', 'the packaged digits configuration'],
    ['run-pipeline lr-find --config my.yaml --phase arcface --set arcface.optimizer=sgd', 'with another optimizer'],
  ],
  run: find,
}

async function find({ flags, output, json, quiet }: Invocation): Promise<number> {
  const [from, to, steps] = [flags.number('from') ?? 1e-6, flags.number('to') ?? 10, flags.number('steps') ?? 100]
  if (to <= from) throw new ConfigError(`--to: expected more than --from (${from}), got ${to}.`)
  const plot = resolve(flags.text('output') ?? 'lr-find.png')
  const kind = extname(plot).toLowerCase()
  if (kind !== '.png' && kind !== '.svg')
    throw new ConfigError(`--output: expected a file that ends in .png or .svg, got "${flags.text('output')}".`)
  const { resolved, phase } = phaseToMeasure(flags)
  const [{ rehearse }, { LrRange }, { lrRangeChartSpec, renderPng, renderSvg }] = await Promise.all([
    import('../../phases/index.ts'),
    import('../../train/index.ts'),
    import('../../report/index.ts'),
  ])
  const range = new LrRange({ span: to / from, steps })
  const changes = {
    steps,
    lr: from,
    schedule: 'constant',
    finalLrFraction: 0,
    warmupEpochs: null,
    warmupSteps: null,
    warmupExamples: null,
    emaDecay: phase === 'distill' && resolved.config.distill.teacher === 'student_ema' ? 0.999 : 0,
    swa: false,
  } as const
  const logger = createLogger({ level: quiet ? 'warn' : 'info' })
  const isOver = (): boolean => range.isOver
  const stopped = await interruptible(
    (text) => logger.warn(text),
    async (signal) => {
      try {
        await rehearse(pipelineConfig(resolved), { phase, changes, callbacks: [range], isOver, logger, signal })
      } catch (error) {
        // A loss or gradient that is not finite is where the test ends, once it has seen something.
        if (!(error instanceof NonFiniteError) || range.result.points.length < 2) throw error
      }
    },
  )
  if (stopped !== null) return stopped
  const { points, steepest, lowest } = range.result
  const suggestion = steepest ?? (lowest === null ? null : lowest / 10)
  const spec = lrRangeChartSpec({
    title: `${resolved.config.run.name}: learning rates of phase ${phase}`,
    points,
    suggestion,
  })
  const table = `${plot.slice(0, -kind.length)}.json`
  mkdirSync(dirname(plot), { recursive: true })
  writeFileSync(plot, kind === '.png' ? await renderPng(spec) : await renderSvg(spec))
  const result = { phase, suggestion, steepest, lowest, lowest_over_10: lowest === null ? null : lowest / 10 }
  const rows = points.map(({ learningRate, loss, smoothed }) => ({ lr: learningRate, loss, smoothed }))
  writeFileSync(table, `${JSON.stringify({ ...result, points: rows }, null, 2)}\n`)
  if (json) output.result(JSON.stringify({ ok: true, ...result, files: [plot, table] }, null, 2))
  else {
    const shown = (rate: number | null): string => (rate === null ? 'none' : rate.toExponential(1))
    output.result(
      `${phase}.lr: ${shown(suggestion)}   (steepest fall ${shown(steepest)}, lowest loss at ${shown(lowest)}; ${points.length} steps)\n${plot}\n${table}`,
    )
  }
  return exitCodes.ok
}
