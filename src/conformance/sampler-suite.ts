/**
 * What every sampler must do. A sampler's test calls `samplerSuite(name, create)`; a user's own sampler is tested the same way.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Space,
  type Direction,
  type ParameterDefinition,
  type Params,
  type Sampler,
  type Trial,
} from '../sweep/index.ts'

export interface SamplerSuiteOptions {
  /** the kinds of spaces that it refuses, by `check` with a clear error; default: none */
  readonly refuses?: readonly ('categorical' | 'conditional' | 'multi-objective')[]
}

const numbers: readonly ParameterDefinition[] = [
  { name: 'lr', distribution: { type: 'float', low: 1e-5, high: 1e-1, log: true } },
  { name: 'momentum', distribution: { type: 'float', low: 0.5, high: 1, step: 0.1 } },
  { name: 'layers', distribution: { type: 'int', low: 1, high: 12 } },
  { name: 'width', distribution: { type: 'int', low: 8, high: 512, log: true } },
  { name: 'fixed', distribution: { type: 'float', low: 3, high: 3 } },
  { name: 'noise', distribution: { type: 'normal', mean: 0, std: 2 } },
]
const categorical: readonly ParameterDefinition[] = [
  { name: 'optimizer', distribution: { type: 'categorical', choices: ['sgd', 'adamw', { name: 'sam', rho: 0.05 }] } },
  { name: 'seed', distribution: { type: 'randint', low: 10, high: 30 } },
  { name: 'nesterov', distribution: { type: 'categorical', choices: [true, false, null], weights: [3, 1, 1] } },
]
const conditional: readonly ParameterDefinition[] = [
  {
    name: 'damping',
    distribution: { type: 'float', low: 0, high: 1 },
    when: [[{ parameter: 'optimizer', values: ['sgd'] }]],
  },
  {
    name: 'beta',
    distribution: { type: 'float', low: 0.9, high: 0.999 },
    when: [[{ parameter: 'optimizer', values: ['adamw', { name: 'sam', rho: 0.05 }] }]],
  },
]

export function samplerSuite(name: string, create: () => Sampler, { refuses = [] }: SamplerSuiteOptions = {}): void {
  const space = new Space([
    ...numbers,
    ...(refuses.includes('categorical') ? [] : categorical),
    ...(refuses.includes('conditional') ? [] : conditional),
  ])
  const suggest = (
    history: readonly Trial[],
    seed: number,
    directions: readonly Direction[] = ['minimize'],
  ): Params | null => create().suggest({ space, directions, history, number: history.length, seed })

  describe(`sampler ${name}`, () => {
    it('gives values of exactly the parameters that exist, inside their distributions', () => {
      for (const trial of grown(suggest, 40, 5)) {
        assert.deepEqual(space.check(trial.params, 'test'), trial.params)
      }
    })

    it('is a pure function: a new sampler with a copy of the history gives the same, to the last bit', () => {
      const history = grown(suggest, 30, 7)
      for (const length of [0, 1, 9, 10, 11, 20, 29]) {
        const stored = JSON.parse(JSON.stringify(history.slice(0, length))) as Trial[]
        assert.deepEqual(suggest(stored, 7), history[length]!.params)
      }
    })

    it('gives the same whatever was asked before: nothing is remembered', () => {
      const history = grown(suggest, 20, 3)
      const used = create()
      const ask = (length: number): Params | null =>
        used.suggest({ space, directions: ['minimize'], history: history.slice(0, length), number: length, seed: 3 })
      for (const length of [15, 2, 15, 12, 7]) assert.deepEqual(ask(length), history[length]!.params)
    })

    it('leaves the history unchanged', () => {
      const history = grown(suggest, 20, 4)
      const before = structuredClone(history)
      suggest(history, 4)
      assert.deepEqual(history, before)
    })

    it('goes on when trials are running, pruned, failed, or waiting', () => {
      const history = grown(suggest, 24, 9).map((trial): Trial => {
        if (trial.number % 4 === 1) return { ...trial, state: 'running', values: null }
        if (trial.number % 4 === 2) {
          return {
            ...trial,
            state: 'pruned',
            values: null,
            reports: [{ step: 3, value: trial.number % 8 === 2 ? NaN : 1 }],
          }
        }
        if (trial.number % 8 === 3)
          return { ...trial, state: 'failed', values: null, failure: { kind: 'nan', message: 'NaN' } }
        return trial.number % 8 === 7 ? { ...trial, state: 'waiting', values: null } : trial
      })
      const params = suggest(history, 9)
      assert.ok(params !== null, 'no suggestion')
      assert.deepEqual(space.check(params, 'test'), params)
    })

    it('takes equal values, huge ones, and a history of failures alone', () => {
      const history = grown(suggest, 20, 11)
      const variants: ((trial: Trial) => Trial)[] = [
        (trial) => ({ ...trial, values: [1] }),
        (trial) => ({ ...trial, values: [trial.number % 2 === 0 ? 1e300 : -1e300] }),
        (trial) => ({ ...trial, state: 'failed', values: null, failure: { kind: 'error', message: 'no' } }),
      ]
      for (const variant of variants) {
        const params = suggest(history.map(variant), 11)
        assert.ok(params !== null, 'no suggestion')
        assert.deepEqual(space.check(params, 'test'), params)
      }
    })

    for (const kind of ['categorical', 'conditional'] as const) {
      if (!refuses.includes(kind)) continue
      it(`refuses a ${kind} space by name`, () => {
        const [definition] = kind === 'categorical' ? categorical : conditional
        const parents = kind === 'conditional' ? categorical : []
        const other = new Space([...parents, definition!])
        assert.throws(() => create().check?.(other, ['minimize']), /ConfigError|categorical|conditional/)
      })
    }

    if (refuses.includes('multi-objective')) {
      it('refuses several objectives', () => {
        assert.throws(() => create().check?.(space, ['minimize', 'maximize']), /objective/)
      })
    } else {
      it('takes several objectives', () => {
        const history = grown(suggest, 20, 5).map((trial): Trial => ({
          ...trial,
          values: [trial.values![0]!, trial.number],
        }))
        const params = suggest(history, 5, ['minimize', 'maximize'])
        assert.ok(params !== null, 'no suggestion')
        assert.deepEqual(space.check(params, 'test'), params)
      })
    }
  })
}

/** A history of complete trials that the sampler made itself. */
function grown(suggest: (history: Trial[], seed: number) => Params | null, count: number, seed: number): Trial[] {
  const history: Trial[] = []
  while (history.length < count) {
    const params = suggest(history, seed)
    assert.ok(params !== null, `nothing left after ${history.length} trials`)
    history.push(completeTrial(history.length, params, [objective(params)]))
  }
  return history
}

function objective(params: Params): number {
  const lr = params['lr'] as number
  return (Math.log10(lr) + 3) ** 2 + (params['layers'] as number) / 10 + (params['optimizer'] === 'sgd' ? 0.5 : 0)
}

export function completeTrial(number: number, params: Params, values: readonly number[]): Trial {
  return {
    number,
    state: 'complete',
    params,
    values,
    reports: [],
    failure: null,
    owner: 'test',
    attempt: 1,
    startedAt: null,
    finishedAt: null,
    attributes: {},
  }
}
