/** Studies of every kind with trials of every state, for the report and what reads trials: invented, but always the same. */
import { Space, type Failure, type Params, type Report, type ReportStudy, type Trial } from '../../src/sweep/index.ts'
import { Rng } from '../../src/util/rng.ts'

export interface InventedStudy {
  readonly study: ReportStudy
  readonly trials: readonly Trial[]
}

const begin = Date.parse('2026-01-05T08:00:00.000Z')

export function trialOf(number: number, changes: Partial<Trial> & { readonly params: Params }): Trial {
  return {
    number,
    state: 'complete',
    values: null,
    reports: [],
    failure: null,
    owner: 'w',
    attempt: 1,
    startedAt: new Date(begin + number * 20_000).toISOString(),
    finishedAt: new Date(begin + number * 20_000 + 35_000).toISOString(),
    attributes: {},
    ...changes,
  }
}

export const arcfaceSpace: Space = new Space([
  { name: 'arcface.lr', distribution: { type: 'float', low: 1e-5, high: 1e-1, log: true } },
  { name: 'arcface.margin', distribution: { type: 'float', low: 0, high: 0.5 } },
  { name: 'arcface.epochs', distribution: { type: 'int', low: 2, high: 9 } },
  { name: 'arcface.batch_size', distribution: { type: 'categorical', choices: [32, 64, 128] } },
  { name: 'arcface.optimizer', distribution: { type: 'categorical', choices: ['sgd', 'adamw'] } },
  {
    name: 'arcface.momentum',
    distribution: { type: 'float', low: 0.8, high: 0.99 },
    when: [[{ parameter: 'arcface.optimizer', values: ['sgd'] }]],
  },
])

/** Accuracies with pruned, failed and NaN trials among them, as a sweep of the metric phase gives. */
export function inventedSweep(count: number, pauseAfter: number = Infinity): InventedStudy {
  const rng = new Rng({ seed: 5 })
  const trials = Array.from({ length: count }, (_, number) => {
    const isSgd = rng.uniform() < 0.5
    const lr = 10 ** (-5 + 4 * (rng.uniform() + (number / count) * 0.3) * 0.8)
    const params: Params = {
      'arcface.lr': lr,
      'arcface.margin': rng.uniform() * 0.5,
      'arcface.epochs': 2 + rng.below(8),
      'arcface.batch_size': [32, 64, 128][rng.below(3)]!,
      'arcface.optimizer': isSgd ? 'sgd' : 'adamw',
      ...(isSgd && { 'arcface.momentum': 0.8 + rng.uniform() * 0.19 }),
    }
    const good = 0.97 - 0.06 * (Math.log10(lr) + 3) ** 2 - 0.2 * (Number(params['arcface.margin']) - 0.2) ** 2
    const goal = Math.max(0.1, Math.min(0.995, good + (rng.uniform() - 0.5) * 0.02))
    const epochs = Number(params['arcface.epochs'])
    const curve = Array.from({ length: epochs }, (_step, i): Report => {
      return { step: i + 1, value: goal * (1 - 0.5 * Math.exp(-0.9 * (i + 1))) + (rng.uniform() - 0.5) * 0.01 }
    })
    const times = {
      startedAt: new Date(begin + number * 20_000 + (number > pauseAfter ? 50_000_000 : 0)).toISOString(),
      finishedAt: new Date(
        begin + number * 20_000 + 8000 + epochs * 4000 + (number > pauseAfter ? 50_000_000 : 0),
      ).toISOString(),
    }
    if (number % 17 === 11)
      return failedTrial(number, params, { kind: 'nan', message: 'arcface loss became NaN at step 3' }, times)
    if (number % 23 === 7) return failedTrial(number, params, { kind: 'crash', message: 'its process ended' }, times)
    if (goal < 0.85 && number > 3)
      return trialOf(number, { params, state: 'pruned', reports: curve.slice(0, 1 + (number % 3)), ...times })
    return trialOf(number, { params, values: [goal], reports: curve, ...times })
  })
  const study = {
    name: 'invented',
    space: arcfaceSpace,
    objectives: ['validation_accuracy'],
    directions: ['maximize'],
  } as const
  return { study, trials }
}

function failedTrial(number: number, params: Params, failure: Failure, times: object = {}): Trial {
  return trialOf(number, { params, state: 'failed', failure, reports: [{ step: 1, value: NaN }], ...times })
}

export function allFailed(): InventedStudy {
  const { study, trials } = inventedSweep(6)
  const failure: Failure = { kind: 'error', message: 'ConfigError: <b>no</b> such "thing" & more' }
  return { study, trials: trials.map(({ number, params }) => failedTrial(number, params, failure)) }
}

/** Accuracy against time and size. */
export function inventedFront(count: number, objectives: 2 | 3 = 2): InventedStudy {
  const rng = new Rng({ seed: 9 })
  const space = new Space([
    { name: 'backbone.width', distribution: { type: 'int', low: 8, high: 256, log: true } },
    { name: 'backbone.depth', distribution: { type: 'int', low: 1, high: 4 } },
  ])
  const trials = Array.from({ length: count }, (_, number) => {
    const width = Math.round(8 * 32 ** rng.uniform())
    const depth = 1 + rng.below(4)
    const accuracy = 0.99 - 0.3 / Math.sqrt(width * depth) - rng.uniform() * 0.02
    const latency = 0.2 + (width * depth) / 150 + rng.uniform() * 0.3
    const values = [accuracy, latency, width * depth * 1000].slice(0, objectives)
    return trialOf(number, { params: { 'backbone.width': width, 'backbone.depth': depth }, values })
  })
  const names = ['top1', 'latency_ms', 'parameters'].slice(0, objectives)
  const directions = (['maximize', 'minimize', 'minimize'] as const).slice(0, objectives)
  return { study: { name: 'front', space, objectives: names, directions }, trials }
}

/** Losses over many magnitudes, long and hostile names, unbounded and unordered numbers, choices of every JSON type. */
export function inventedOddities(): InventedStudy {
  const rng = new Rng({ seed: 2 })
  const space = new Space([
    { name: '</script><b>x', distribution: { type: 'normal', mean: 0, std: 2 } },
    { name: 'data.seed', distribution: { type: 'randint', low: 0, high: 100_000 } },
    {
      name: 'model.a_rather_long_name_for_a_parameter',
      distribution: { type: 'quantized', low: 0, high: 10, step: 2.5 },
    },
    {
      name: 'model.activation',
      distribution: {
        type: 'categorical',
        choices: ['relu', 'gelu', 'leaky_relu_with_a_long_name', null, true, { deep: [1] }, 'relu & <gelu>'],
      },
    },
    { name: 'fixed', distribution: { type: 'float', low: 1, high: 1 } },
  ])
  const choices = ['relu', 'gelu', 'leaky_relu_with_a_long_name', null, true, { deep: [1] }, 'relu & <gelu>']
  const trials = Array.from({ length: 40 }, (_, number) => {
    const x = (rng.uniform() + rng.uniform() - 1) * 4
    const params = {
      '</script><b>x': x,
      'data.seed': rng.below(100_000),
      'model.a_rather_long_name_for_a_parameter': rng.below(5) * 2.5,
      'model.activation': choices[rng.below(choices.length)]!,
      fixed: 1,
    }
    return trialOf(number, { params, values: [10 ** (x * x - 2)] })
  })
  return { study: { name: 'odd <i>&amp; "names"', space, objectives: ['loss <x>'], directions: ['minimize'] }, trials }
}
