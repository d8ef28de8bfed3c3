/** Stopping and going on, over phases, optimizers, averages, schedules and the place of the stop: the bytes of a run that nobody stopped. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipelineConfigSchema, runPipeline, type PhaseName } from '../../src/phases/index.ts'
import type { Callback } from '../../src/train/index.ts'

const phases = ['supcon', 'arcface', 'distill'] as const
const optimizers = {
  sgd: { optimizer: 'sgd', lr: 0.05 },
  adamw: { optimizer: 'adamw', lr: 0.003 },
  sam: { optimizer: 'sgd', lr: 0.05, sam: true },
  lookahead: { optimizer: 'adamw', lr: 0.003, lookahead: { k: 3 } },
} as const
const averages = { averaged: { emaDecay: 0.9 }, alone: { emaDecay: 0 } } as const
const schedules = ['cosine', 'onecycle'] as const
/** Five batches an epoch; two of them a step where gradients are accumulated. */
const stops = {
  first: { at: 1, accumulation: 1 },
  middle: { at: 3, accumulation: 1 },
  last: { at: 5, accumulation: 1 },
  accumulation: { at: 2, accumulation: 2 },
} as const

export interface Cell {
  readonly phase: (typeof phases)[number]
  readonly optimizer: keyof typeof optimizers
  readonly average: keyof typeof averages
  readonly schedule: (typeof schedules)[number]
  readonly stop: keyof typeof stops
}

const keysOf = <T extends object>(of: T): (keyof T)[] => Object.keys(of) as (keyof T)[]

/** 3 phases × 4 optimizers × 2 × 2 × 4 places = 192. */
export const cells: readonly Cell[] = phases.flatMap((phase) =>
  keysOf(optimizers).flatMap((optimizer) =>
    keysOf(averages).flatMap((average) =>
      schedules.flatMap((schedule) => keysOf(stops).map((stop) => ({ phase, optimizer, average, schedule, stop }))),
    ),
  ),
)

const teacherRun = 'teacher'

async function train(
  root: string,
  name: string,
  phase: PhaseName,
  changes: object,
  more: { readonly stopAt?: number; readonly resume?: boolean } = {},
): Promise<Record<string, string>> {
  const abort = new AbortController()
  const stop: Callback = {
    name: 'stop',
    onStepEnd({ step }) {
      if (step === more.stopAt) abort.abort()
    },
  }
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    threads: 1,
    data: { dataset: 'digits', imageSize: 16, subsetPerClass: 18, validationFraction: 0.1 },
    backbone: { name: 'small_cnn', width: 4 },
    [phase]: { epochs: 2, batchSize: 30, warmupEpochs: 0, ...changes },
  })
  const { outcome } = await runPipeline(config, {
    phases: [phase],
    callbacks: [stop],
    resume: more.resume ?? false,
    signal: abort.signal,
  })
  if ((outcome === 'interrupted') !== (more.stopAt !== undefined)) throw new Error(`${name}: the run is ${outcome}`)
  if (outcome === 'interrupted') return {}
  const folder = join(root, 'snapshots', name, phase, 'last')
  const { files } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    files: Record<string, { sha256: string }>
  }
  const history = readFileSync(join(root, 'logs', name, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
  const timeless = history.map((line) => {
    const record = JSON.parse(line) as Record<string, unknown>
    return JSON.stringify({ ...record, seconds: 0, images_per_second: 0 })
  })
  const sums = Object.entries(files).filter(([file]) => file.endsWith('.safetensors'))
  return {
    ...Object.fromEntries(sums.map(([file, { sha256 }]) => [file, sha256])),
    'metrics.jsonl': timeless.join('\n'),
  }
}

/** What distill learns from. */
export async function prepare(root: string): Promise<void> {
  await train(root, teacherRun, 'arcface', {})
}

/** @returns what differs from the run that nobody stopped */
export async function stoppedAndResumed(root: string, cell: Cell): Promise<string[]> {
  const { phase, optimizer, average, schedule, stop } = cell
  const { at, accumulation } = stops[stop]
  const teacherBackbonePath = join(root, 'snapshots', teacherRun, 'arcface', 'best')
  const changes = {
    ...optimizers[optimizer],
    ...averages[average],
    schedule,
    accumulation,
    ...(phase === 'distill' ? { teacherBackbonePath } : {}),
    ...(phase === 'supcon' ? { projectionFeatures: 16 } : {}),
  }
  const expected = await train(root, 'whole', phase, changes)
  await train(root, 'stopped', phase, changes, { stopAt: at })
  const got = await train(root, 'stopped', phase, changes, { resume: true })
  for (const name of ['whole', 'stopped'])
    for (const folder of ['snapshots', 'logs', 'eval_results'])
      rmSync(join(root, folder, name), { recursive: true, force: true })
  return [...new Set([...Object.keys(expected), ...Object.keys(got)])].filter((key) => expected[key] !== got[key])
}
