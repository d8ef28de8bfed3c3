/** `run-pipeline batch-find`: the largest batch of one phase whose whole step fits the memory, and how fast each size was. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BatchTrial, Callback } from '../../train/index.ts'
import { BindingError, ConfigError } from '../../util/errors.ts'
import { createLogger } from '../../util/logger.ts'
import { gibibytes, tryBatchSize, usable, type TrialReport } from '../batch-trial.ts'
import type { Command, Invocation } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { pipelineConfig } from '../session.ts'
import { table } from '../table.ts'
import { interruptible, measuringFlags, phaseToMeasure } from './measuring.ts'

export const batchFindCommand: Command = {
  name: 'batch-find',
  summary: 'Finds the largest batch of a phase that fits the memory, each size in a process of its own.',
  usage: 'batch-find [--config <file>] [--phase <phase>] [--memory <GiB>]',
  flags: {
    ...measuringFlags,
    start: { kind: 'whole', minimum: 1, describe: 'batch size that is tried first (default 16)' },
    maximum: { kind: 'whole', minimum: 1, describe: 'largest batch size that is tried (default 65536)' },
    memory: {
      kind: 'number',
      minimum: 0,
      exclusive: true,
      describe: 'GiB that a process may take (default: nine tenths of what is free)',
    },
    steps: { kind: 'whole', minimum: 2, describe: 'steps of each size (default 3); the last one is timed' },
    size: { kind: 'whole', minimum: 1, describe: 'measure this batch size alone, in this process' },
  },
  takesWords: false,
  examples: [
    ['run-pipeline batch-find --phase supcon --device cuda', 'on a GPU'],
    ['run-pipeline batch-find --config my.yaml --phase train --memory 4', 'with a limit of its own'],
  ],
  run: find,
}

async function find(invocation: Invocation): Promise<number> {
  const { flags, args, output, json, quiet } = invocation
  const [start, maximum] = [flags.number('start') ?? 16, flags.number('maximum') ?? 65536]
  if (maximum < start) throw new ConfigError(`--maximum: expected at least --start (${start}), got ${maximum}.`)
  const { resolved, phase } = phaseToMeasure(flags)
  if (flags.number('size') !== undefined) return measure(invocation)
  const logger = createLogger({ level: quiet ? 'warn' : 'info' })
  const [{ searchBatchSize }, { torch }] = await Promise.all([
    import('../../train/index.ts'),
    import('../../binding/index.ts'),
  ])
  const { device } = resolved.config
  const onCpu = device === 'cpu' || (device === 'auto' && !torch.cudaIsAvailable())
  const given = flags.number('memory')
  const limit = given === undefined ? (onCpu ? usable * process.availableMemory() : null) : given * 2 ** 30
  const folder = mkdtempSync(join(tmpdir(), 'trivium-batch-find-'))
  const own = args.filter((word) => word !== '--json' && word !== '--quiet' && word !== '-q')
  let trials: readonly BatchTrial[] = []
  let last: TrialReport | null = null
  const stopped = await interruptible(
    (text) => logger.warn(text),
    async (signal) => {
      try {
        trials = await searchBatchSize({
          start,
          maximum,
          async measure(size) {
            const { trial, report } = await tryBatchSize(size, { args: own, limit, folder, signal })
            last = report ?? last
            logger.info(`batch ${trial.batchSize}: ${trial.why ?? `fits, ${speed(trial)} images/s`}`)
            return trial
          },
        })
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
  if (stopped !== null) return stopped
  const fitting = trials.filter(({ fits }) => fits)
  const [largest] = fitting.toSorted((a, b) => b.batchSize - a.batchSize)
  if (largest === undefined)
    throw new BindingError(
      `batch-find: no batch of phase ${phase} fits${limit === null ? '' : ` ${gibibytes(limit)}`}, not even of one image. ` +
        `Use a smaller network or pictures${given === undefined ? '' : ', or a larger --memory'}.`,
      { reason: 'out of memory' },
    )
  const [fastest] = fitting.toSorted((a, b) => (b.imagesPerSecond ?? 0) - (a.imagesPerSecond ?? 0))
  const free = (last as TrialReport | null)?.free_bytes ?? null
  const limitBytes = Math.floor(limit ?? usable * (free ?? 0))
  if (json) {
    const rows = trials.map(({ batchSize, fits, peakBytes, imagesPerSecond, why }) => ({
      ...{ batch_size: batchSize, fits, peak_bytes: peakBytes, images_per_second: imagesPerSecond, why },
    }))
    const found = { batch_size: largest.batchSize, fastest: fastest?.batchSize ?? null, limit_bytes: limitBytes }
    output.result(JSON.stringify({ ok: true, phase, ...found, trials: rows }, null, 2))
    return exitCodes.ok
  }
  const rows = trials.map((trial) => [
    String(trial.batchSize),
    trial.peakBytes === null ? '' : gibibytes(trial.peakBytes),
    speed(trial),
    trial.why ?? 'fits',
  ])
  output.result(table(['batch', 'memory', 'images/s', ''], rows))
  output.result(
    `${phase}.batch_size: ${largest.batchSize}   (largest that fits ${gibibytes(limitBytes)}; most images a second: ${fastest?.batchSize ?? 'none'})`,
  )
  return exitCodes.ok
}

function speed({ imagesPerSecond }: BatchTrial): string {
  return imagesPerSecond === null ? '' : imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)
}

/** One size, here. */
async function measure({ flags, output, json, quiet }: Invocation): Promise<number> {
  const { resolved, phase } = phaseToMeasure(flags)
  const [{ rehearse }, { torch }] = await Promise.all([
    import('../../phases/index.ts'),
    import('../../binding/index.ts'),
  ])
  const steps = flags.number('steps') ?? 3
  const config = pipelineConfig(resolved)
  const device = config.device === 'auto' ? (torch.cudaIsAvailable() ? 'cuda:0' : 'cpu') : config.device
  const before = torch.deviceMemory(device)
  let [done, since, seconds] = [0, performance.now(), 0]
  const size = flags.number('size') ?? 1
  let [samples, last] = [0, 0]
  const clock: Callback = {
    name: 'batch-find',
    onStepEnd(event) {
      const now = performance.now()
      ;[done, since, seconds] = [done + 1, now, (now - since) / 1000]
      last = event.samples
      samples = Math.max(samples, last) // the last step of an epoch may have fewer, of batches too
    },
  }
  const changes = { steps, batchSize: size }
  const stopped = await interruptible(
    () => undefined,
    async (signal) => {
      await rehearse(config, {
        phase,
        changes,
        callbacks: [clock],
        isOver: () => done >= steps,
        logger: createLogger({ level: quiet ? 'warn' : 'info' }),
        signal,
      })
    },
  )
  if (stopped !== null) return stopped
  const report: TrialReport = {
    device,
    batch_size: Math.min(size, samples), // fewer than asked for: the whole data set
    images_per_second: last / seconds,
    peak_bytes: torch.deviceMemory(device)?.peak ?? process.resourceUsage().maxRSS * 1024,
    free_bytes: before?.free ?? null,
  }
  if (json) output.result(JSON.stringify(report, null, 2))
  else
    output.result(
      `batch ${report.batch_size} on ${device}: ${gibibytes(report.peak_bytes)}, ${report.images_per_second.toFixed(1)} images/s`,
    )
  return exitCodes.ok
}
