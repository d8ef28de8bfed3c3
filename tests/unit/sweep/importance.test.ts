import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { mainEffects, marginalMeans, marginalVariance, varianceOf } from '../../../src/sweep/importance/fanova.ts'
import { contains, growTree, measure, type Dimension, type Leaf } from '../../../src/sweep/importance/tree.ts'
import { parameterImportance, Space, type Distribution, type Params, type Trial } from '../../../src/sweep/index.ts'

interface Golden {
  readonly trees: readonly {
    readonly points: number[][]
    readonly targets: number[]
    readonly leaves: { value: number; box: [number, number][] }[]
    readonly variance: number
    readonly marginals: number[]
  }[]
  readonly studies: readonly {
    readonly name: string
    readonly parameters: Record<string, { low: number; high: number; log: boolean } | { choices: string[] }>
    readonly trials: { params: Params; value: number }[]
    readonly exact: Record<string, number>
    readonly optuna?: Record<string, number>
  }[]
}

const golden = JSON.parse(
  readFileSync(new URL('../../golden/sweep_importance.json', import.meta.url), 'utf8'),
) as Golden

const numeric: Dimension = { kind: 'numeric' }
const close = (actual: number, expected: number, tolerance: number, what = ''): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} expected ${expected} ± ${tolerance}, got ${actual}`)

export function complete(number: number, params: Params, value: number): Trial {
  return {
    number,
    state: 'complete',
    params,
    values: [value],
    reports: [],
    failure: null,
    owner: 'w',
    attempt: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:00:10.000Z',
    attributes: {},
  }
}

describe('a regression tree', () => {
  golden.trees.forEach(({ points, targets, leaves, variance, marginals }, number) => {
    const dimensions = points[0]!.map(() => numeric)
    const theirs: Leaf[] = leaves.map(({ value, box }) => ({
      value,
      region: box.map(([from, to]) => ({ kind: 'numeric', from, to })),
    }))

    it(`is analysed as Optuna's fANOVA analyses scikit-learn's, case ${number}`, () => {
      close(varianceOf(theirs, dimensions), variance, 1e-12)
      marginals.forEach((marginal, d) => close(marginalVariance(theirs, dimensions, d), marginal, 1e-12, `[${d}]`))
    })

    it(`fits every sample, tiles the box, and varies as scikit-learn's does, case ${number}`, () => {
      const own = growTree({ dimensions, points, targets }, [...points.keys()])
      const volumes = own.map(({ region }) => region.reduce((product, side) => product * measure(side, numeric), 1))
      close(
        volumes.reduce((sum, volume) => sum + volume, 0),
        1,
        1e-12,
      )
      points.forEach((point, i) => {
        const at = own.filter(({ region }) => region.every((side, d) => contains(side, point[d]!)))
        assert.equal(at.length, 1)
        close(at[0]!.value, targets[i]!, 1e-12)
      })
      // Equally good splits may be taken in another order, which changes volumes a little.
      close(varianceOf(own, dimensions), variance, 0.1 * variance)
    })
  })

  it('splits categories that have no order', () => {
    const dimensions: Dimension[] = [{ kind: 'categorical', probabilities: [0.25, 0.25, 0.25, 0.25] }]
    const points = [[0], [1], [2], [3]]
    const leaves = growTree({ dimensions, points, targets: [5, 0, 5, 0] }, [0, 1, 2, 3])
    assert.equal(leaves.length, 2)
    close(varianceOf(leaves, dimensions), 6.25, 1e-12)
  })

  it('of equal targets is one leaf without effects', () => {
    const leaves = growTree({ dimensions: [numeric], points: [[0.1], [0.9]], targets: [2, 2] }, [0, 1])
    assert.equal(leaves.length, 1)
    assert.deepEqual(mainEffects([leaves], [numeric]), [0])
    assert.deepEqual(marginalMeans([leaves], [numeric], { dimension: 0, places: [0.3] }), [[2]])
  })

  it('averages over the other dimensions by hand', () => {
    // x < 0.5: 1 · else y < 0.25: 3 · else 7
    const range = (from: number, to: number) => ({ kind: 'numeric', from, to }) as const
    const leaves: Leaf[] = [
      { value: 1, region: [range(0, 0.5), range(0, 1)] },
      { value: 3, region: [range(0.5, 1), range(0, 0.25)] },
      { value: 7, region: [range(0.5, 1), range(0.25, 1)] },
    ]
    const box = [numeric, numeric]
    assert.deepEqual(marginalMeans([leaves], box, { dimension: 0, places: [0.2, 1] }), [[1], [6]])
    assert.deepEqual(marginalMeans([leaves], box, { dimension: 1, places: [0] }), [[2]])
    const both = marginalMeans(
      [leaves],
      box,
      { dimension: 1, places: [0.1, 0.9] },
      { dimension: 0, places: [0.7, 0.3] },
    )
    assert.deepEqual(both, [
      [3, 1],
      [7, 1],
    ])
    close(marginalVariance(leaves, box, 0), 6.25, 1e-12)
    close(marginalVariance(leaves, box, 1), 0.25 * 0.75 * 4, 1e-12)
  })
})

describe('parameter importance', () => {
  for (const { name, parameters, trials, exact, optuna } of golden.studies) {
    it(`is near the exact main effects${optuna === undefined ? '' : " and Optuna's"}: ${name}`, () => {
      const space = new Space(
        Object.entries(parameters).map(([key, spec]) => {
          const distribution: Distribution =
            'choices' in spec ? { type: 'categorical', choices: spec.choices } : { type: 'float', ...spec }
          return { name: key, distribution }
        }),
      )
      const shares = parameterImportance(
        space,
        trials.map(({ params, value }, number) => complete(number, params, value)),
        'maximize', // as Optuna: values as they are
      )
      close(
        shares.reduce((sum, { share }) => sum + share, 0),
        1,
        1e-12,
      )
      for (const { parameter, share } of shares) {
        // Trees see less of a small effect beside a large one, Optuna's too.
        close(share, exact[parameter]!, 0.1, parameter)
        if (optuna !== undefined) close(share, optuna[parameter]!, 0.03, `Optuna's ${parameter}`)
      }
      const order = Object.keys(exact).sort((a, b) => exact[b]! - exact[a]!)
      assert.deepEqual(
        shares.map(({ parameter }) => parameter),
        order,
      )
    })
  }

  const conditional = new Space([
    { name: 'kind', distribution: { type: 'categorical', choices: ['sgd', 'adam'] } },
    { name: 'x', distribution: { type: 'float', low: 0, high: 1 } },
    {
      name: 'momentum',
      distribution: { type: 'float', low: 0, high: 1 },
      when: [[{ parameter: 'kind', values: ['sgd'] }]],
    },
  ])

  it('of a conditional parameter is measured among the trials that have it', () => {
    const trials = Array.from({ length: 60 }, (_, i) => {
      const x = ((i * 7) % 60) / 60
      const momentum = ((i * 11) % 60) / 60
      return i % 2 === 0
        ? complete(i, { kind: 'sgd', x, momentum }, 10 * momentum + x)
        : complete(i, { kind: 'adam', x }, x)
    })
    const shares = parameterImportance(conditional, trials, 'maximize')
    const of = (name: string) => shares.find(({ parameter }) => parameter === name)!
    assert.equal(of('momentum').trials, 30)
    assert.ok(of('momentum').share > 0.9)
    assert.equal(of('kind').trials, 60)
    close(of('kind').share + of('x').share, 1, 1e-12)
  })

  it('compares losses over many magnitudes by their logarithm, so that one bad trial is not all', () => {
    const trials = Array.from({ length: 60 }, (_, i) => {
      const x = ((i * 7) % 60) / 60
      return complete(
        i,
        { kind: i % 2 === 0 ? 'sgd' : 'adam', x, ...(i % 2 === 0 && { momentum: 0.5 }) },
        10 ** (8 * x),
      )
    })
    const [first] = parameterImportance(conditional, trials, 'minimize')
    assert.equal(first!.parameter, 'x')
    assert.ok(first!.share > 0.97, `${first!.share}`)
  })

  it('needs four complete trials with different values', () => {
    const trials = [0, 1, 2].map((i) => complete(i, { kind: 'adam', x: i / 3 }, i))
    assert.deepEqual(parameterImportance(conditional, trials, 'maximize'), [])
    const equal = [0, 1, 2, 3].map((i) => complete(i, { kind: 'adam', x: i / 4 }, 5))
    assert.deepEqual(parameterImportance(conditional, equal, 'maximize'), [])
    assert.deepEqual(parameterImportance(conditional, [], 'maximize'), [])
  })
})
