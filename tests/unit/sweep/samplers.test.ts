import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  CmaEsSampler,
  GridSampler,
  QuasiRandomSampler,
  RandomSampler,
  samplers,
  Space,
  TpeSampler,
  type Sampler,
  type Trial,
} from '../../../src/sweep/index.ts'
import { completeTrial, samplerSuite } from '../../../src/conformance/sampler-suite.ts'

samplerSuite('random', () => new RandomSampler())
samplerSuite('quasi-random', () => new QuasiRandomSampler())
samplerSuite('grid', () => new GridSampler({ points: 2 }))
samplerSuite('tpe', () => new TpeSampler())
samplerSuite('tpe, one parameter at a time', () => new TpeSampler({ multivariate: false }))
samplerSuite('cma-es', () => new CmaEsSampler(), { refuses: ['categorical', 'conditional', 'multi-objective'] })

const plane = new Space([
  { name: 'x', distribution: { type: 'float', low: -5, high: 10 } },
  { name: 'y', distribution: { type: 'float', low: 0, high: 15 } },
])

/** Best value of a sampler on a function, one trial after the other. */
function minimum(
  sampler: Sampler,
  space: Space,
  value: (params: Record<string, number>) => number,
  trials: number,
  seed: number,
): number {
  const history: Trial[] = []
  while (history.length < trials) {
    const params = sampler.suggest({ space, directions: ['minimize'], history, number: history.length, seed })
    history.push(completeTrial(history.length, params!, [value(params as Record<string, number>)]))
  }
  return Math.min(...history.map((trial) => trial.values![0]!))
}

const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1]!
const bowl = ({ x, y }: Record<string, number>): number => (x! - 3) ** 2 + (y! - 4) ** 2
const medianOf = (create: () => Sampler): number =>
  median([0, 1, 2, 3, 4, 5, 6].map((seed) => minimum(create(), plane, bowl, 60, seed)))

describe('samplers', () => {
  it('are registered under their names', () => {
    for (const [name, create] of Object.entries(samplers)) assert.equal(create().name, name)
  })

  it('that learn find a minimum ten times better than drawing at random', () => {
    const random = medianOf(() => new RandomSampler())
    const [tpe, cmaEs] = [medianOf(() => new TpeSampler()), medianOf(() => new CmaEsSampler())]
    assert.ok(tpe < random / 10 && cmaEs < random / 10, `random ${random}, TPE ${tpe}, CMA-ES ${cmaEs}`)
  })

  it('draw other numbers for another seed, trial or parameter', () => {
    const draw = (seed: number, number: number): unknown =>
      new RandomSampler().suggest({ space: plane, directions: ['minimize'], history: [], number, seed })
    assert.notDeepEqual(draw(0, 0), draw(1, 0))
    assert.notDeepEqual(draw(0, 0), draw(0, 1))
    const { x, y } = draw(0, 0) as { x: number; y: number }
    assert.notEqual((x + 5) / 15, y / 15)
  })
})

describe('random sampler', () => {
  it('follows the priors: uniform in the logarithm, weighted choices, whole cells of a grid', () => {
    const space = new Space([
      { name: 'log', distribution: { type: 'float', low: 1e-4, high: 1, log: true } },
      { name: 'choice', distribution: { type: 'categorical', choices: ['a', 'b'], weights: [3, 1] } },
      { name: 'int', distribution: { type: 'int', low: 1, high: 4 } },
      { name: 'normal', distribution: { type: 'normal', mean: 10, std: 2 } },
      { name: 'quantized', distribution: { type: 'quantized', low: 0, high: 2, step: 1 } },
    ])
    const draws = Array.from({ length: 4000 }, (_, number) => {
      return new RandomSampler().suggest({ space, directions: ['minimize'], history: [], number, seed: 1 })
    })
    const share = (holds: (params: Record<string, number | string>) => boolean): number =>
      draws.filter((params) => holds(params as Record<string, number>)).length / draws.length
    const near = (actual: number, expected: number): void =>
      assert.ok(Math.abs(actual - expected) < 0.03, `${actual}, not ${expected}`)
    near(
      share(({ log }) => Number(log) < 1e-2),
      0.5,
    )
    near(
      share(({ choice }) => choice === 'a'),
      0.75,
    )
    for (const value of [1, 2, 3, 4])
      near(
        share(({ int }) => int === value),
        0.25,
      )
    near(
      share(({ normal }) => Number(normal) < 12),
      0.8413,
    )
    near(
      share(({ quantized }) => quantized === 0),
      0.25,
    ) // hyperopt's ends are half cells
  })
})

describe('grid sampler', () => {
  it('visits each combination once, leaves out what does not exist, and ends', () => {
    const space = new Space([
      { name: 'kind', distribution: { type: 'categorical', choices: ['a', 'b'] } },
      { name: 'depth', distribution: { type: 'int', low: 1, high: 3 }, when: [[{ parameter: 'kind', values: ['b'] }]] },
      { name: 'lr', distribution: { type: 'float', low: 0.01, high: 1, log: true } },
    ])
    const sampler = new GridSampler({ points: 3 })
    assert.equal(sampler.size(space), 3 + 9)
    const all = Array.from({ length: 13 }, (_, number) => {
      return sampler.suggest({ space, directions: ['minimize'], history: [], number, seed: 0 })
    })
    assert.equal(all[12], null)
    assert.equal(new Set(all.map((params) => JSON.stringify(params))).size, 13)
    assert.deepEqual(
      all.slice(0, 3).map((params) => Number((params!['lr'] as number).toFixed(9))),
      [0.01, 0.1, 1],
    )
    assert.deepEqual(all[3], { kind: 'b', depth: 1, lr: 0.01 })
  })

  it('does not lose a place to an enqueued trial', () => {
    const enqueued = { ...completeTrial(0, { x: 1, y: 1 }, [1]), attributes: { enqueued: true } }
    const ask = (history: Trial[]): unknown =>
      new GridSampler().suggest({ space: plane, directions: ['minimize'], history, number: history.length, seed: 0 })
    assert.deepEqual(ask([enqueued]), ask([]))
  })

  it('refuses a grid that no one could finish', () => {
    const space = new Space(
      Array.from({ length: 9 }, (_, i) => ({
        name: `x${i}`,
        distribution: { type: 'float', low: 0, high: 1 } as const,
      })),
    )
    assert.throws(() => new GridSampler({ points: 10 }).check(space), /at most 1000000 combinations/)
    assert.throws(() => new GridSampler({ points: 1 }), /points to be a whole number ≥ 2/)
  })
})

describe('quasi-random sampler', () => {
  it('fills the space more evenly than random points: each of 16 strips gets its share', () => {
    const fill = (sampler: Sampler, parameter: 'x' | 'y'): number => {
      const counts = new Array<number>(16).fill(0)
      for (let number = 0; number < 256; number++) {
        const params = sampler.suggest({ space: plane, directions: ['minimize'], history: [], number, seed: 0 })!
        const unit = parameter === 'x' ? ((params['x'] as number) + 5) / 15 : (params['y'] as number) / 15
        counts[Math.floor(unit * 16)]!++
      }
      return Math.max(...counts) - Math.min(...counts)
    }
    assert.equal(fill(new QuasiRandomSampler(), 'x'), 0) // base 2: exactly 16 each
    const [even, random] = [fill(new QuasiRandomSampler(), 'y'), fill(new RandomSampler(), 'y')]
    assert.ok(even <= 5 && random > 8, `${even} and ${random}`)
  })
})

describe('tpe sampler', () => {
  it('keeps parallel trials apart: with the constant liar, running trials are avoided', () => {
    const history = Array.from({ length: 20 }, (_, number) => {
      const x = -5 + (number * 15) / 19
      return completeTrial(number, { x, y: 4 }, [bowl({ x, y: 4 })])
    })
    const spread = (constantLiar: boolean): number => {
      const all = [...history]
      for (let i = 0; i < 8; i++) {
        const sampler = new TpeSampler({ constantLiar })
        const params = sampler.suggest({
          space: plane,
          directions: ['minimize'],
          history: all,
          number: all.length,
          seed: 5,
        })
        all.push({ ...completeTrial(all.length, params, []), state: 'running', values: null })
      }
      const xs = all.slice(20).map((trial) => trial.params['x'] as number)
      return Math.max(...xs) - Math.min(...xs)
    }
    assert.ok(spread(true) > spread(false), `${spread(true)} and ${spread(false)}`)
  })

  it('keeps away from where the objective was NaN', () => {
    const space = new Space([{ name: 'x', distribution: { type: 'float', low: 0, high: 1 } }])
    const trials = (kind: 'nan' | 'error'): number => {
      const history: Trial[] = []
      while (history.length < 60) {
        const params = new TpeSampler().suggest({
          space,
          directions: ['minimize'],
          history,
          number: history.length,
          seed: 8,
        })
        const x = params['x'] as number
        const trial = completeTrial(history.length, params, [-x])
        history.push(x < 0.7 ? trial : { ...trial, state: 'failed', values: null, failure: { kind, message: '' } })
      }
      return history.filter((trial) => trial.state === 'failed').length
    }
    assert.ok(trials('nan') < trials('error'), `${trials('nan')} and ${trials('error')} failures`)
  })

  it('learns inside a branch from the trials that had it', () => {
    const space = new Space([
      { name: 'kind', distribution: { type: 'categorical', choices: ['bad', 'good'] } },
      { name: 'a', distribution: { type: 'float', low: 0, high: 1 }, when: [[{ parameter: 'kind', values: ['bad'] }]] },
      {
        name: 'b',
        distribution: { type: 'float', low: 0, high: 1 },
        when: [[{ parameter: 'kind', values: ['good'] }]],
      },
    ])
    const value = (params: Record<string, unknown>): number =>
      params['kind'] === 'bad' ? 2 : Math.abs((params['b'] as number) - 0.3)
    const found = [0, 1, 2, 3, 4].map((seed) => minimum(new TpeSampler(), space, value, 60, seed))
    assert.ok(median(found) < 0.01, String(found))
  })

  it('maximizes as it minimizes', () => {
    const history = Array.from({ length: 15 }, (_, number) =>
      completeTrial(number, { x: number - 4, y: number / 2 }, [(number - 7) ** 2]),
    )
    const negated = history.map((trial) => ({ ...trial, values: [-trial.values![0]!] }))
    const request = { space: plane, number: 15, seed: 0 }
    assert.deepEqual(
      new TpeSampler().suggest({ ...request, directions: ['minimize'], history }),
      new TpeSampler().suggest({ ...request, directions: ['maximize'], history: negated }),
    )
  })

  it('refuses options out of range by name', () => {
    assert.throws(() => new TpeSampler({ candidates: 0 }), /candidates to be a whole number ≥ 1, got 0/)
    assert.throws(() => new TpeSampler({ startupTrials: 1.5 }), /startupTrials/)
    assert.throws(() => new TpeSampler({ priorWeight: 0 }), /priorWeight > 0/)
  })

  it('listens to each of its options', () => {
    const history = Array.from({ length: 15 }, (_, number) =>
      completeTrial(number, { x: number - 4, y: number / 2 }, [(number - 7) ** 2]),
    )
    const ask = (options: ConstructorParameters<typeof TpeSampler>[0]): unknown =>
      new TpeSampler(options).suggest({ space: plane, directions: ['minimize'], history, number: 15, seed: 0 })
    const standard = ask({})
    for (const options of [
      { startupTrials: 20 },
      { candidates: 3 },
      { gamma: () => 8 },
      { priorWeight: 9 },
      { multivariate: false },
      { magicClip: false },
    ])
      assert.notDeepEqual(ask(options), standard, JSON.stringify(options))
  })
})
