import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Space, type Distribution, type ParameterDefinition } from '../../../src/sweep/index.ts'
import { eigenSymmetric } from '../../../src/sweep/eigen.ts'
import { erfc, normalCdf, normalMass, normalQuantile } from '../../../src/sweep/normal.ts'
import {
  axisOf,
  cellOf,
  coordinateOf,
  fromNumber,
  quantileOf,
  toNumber,
  valueAtQuantile,
  type NumericAxis,
} from '../../../src/sweep/space/axis.ts'

const near = (actual: number, expected: number, tolerance: number): void =>
  assert.ok(
    Math.abs(actual - expected) <= tolerance * Math.max(1e-300, Math.abs(expected)),
    `${actual}, not ${expected}`,
  )

describe('space', () => {
  const bad: readonly [name: string, distribution: object, message: RegExp][] = [
    ['bounds the wrong way round', { type: 'float', low: 2, high: 1 }, /x: expected low ≤ high, got low=2 and high=1/],
    [
      'a logarithm of zero',
      { type: 'float', low: 0, high: 1, log: true },
      /low > 0 for a logarithmic scale, got low=0/,
    ],
    ['a logarithm of a negative whole number', { type: 'int', low: -3, high: 1, log: true }, /low > 0/],
    ['a bound that is no number', { type: 'float', low: NaN, high: 1 }, /finite number for low, got NaN/],
    ['a fraction for a whole number', { type: 'int', low: 0.5, high: 1 }, /whole number for low, got 0\.5/],
    ['no step', { type: 'float', low: 0, high: 1, step: 0 }, /step > 0, got 0/],
    ['a step on a logarithmic scale', { type: 'float', low: 1, high: 9, step: 2, log: true }, /either log or step/],
    ['no choice', { type: 'categorical', choices: [] }, /at least one choice/],
    [
      'the same choice twice',
      {
        type: 'categorical',
        choices: [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
      },
      /different choices/,
    ],
    [
      'weights of another length',
      { type: 'categorical', choices: [1, 2], weights: [1] },
      /one weight for each of the 2 choices, got 1/,
    ],
    [
      'weights that sum to nothing',
      { type: 'categorical', choices: [1, 2], weights: [0, 0] },
      /at least one weight > 0/,
    ],
    ['a range beyond the doubles', { type: 'float', low: -1e308, high: 1e308 }, /finite number for high − low/],
    ['no grid', { type: 'quantized', low: 0, high: 1 }, /finite number for step, got undefined/],
    [
      'an exponential beyond the doubles',
      { type: 'quantized', low: 0, high: 800, log: true, step: 1 },
      /finite number for exp\(high\), got Infinity/,
    ],
    ['no width', { type: 'normal', mean: 0, std: 0 }, /std > 0, got 0/],
    ['an empty range of indices', { type: 'randint', low: 3, high: 3 }, /low < high/],
  ]
  for (const [name, distribution, message] of bad) {
    it(`refuses ${name}`, () =>
      assert.throws(() => new Space([{ name: 'x', distribution: distribution as Distribution }]), message))
  }

  const kind: ParameterDefinition = { name: 'kind', distribution: { type: 'categorical', choices: ['a', 'b'] } }
  const when = (name: string, parameter: string, ...values: string[]): ParameterDefinition => ({
    name,
    distribution: { type: 'categorical', choices: ['u', 'v'] },
    when: [[{ parameter, values }]],
  })

  it('refuses contradictions: nothing, one name twice, unknown parents, impossible values, circles', () => {
    assert.throws(() => new Space([]), /at least one parameter/)
    assert.throws(() => new Space([kind, kind]), /different names, got "kind" twice/)
    assert.throws(() => new Space([kind, when('x', 'kindd', 'a')]), /no parameter "kindd".* Did you mean "kind"\?/)
    assert.throws(() => new Space([kind, when('x', 'kind', 'c')]), /"kind" never has the value "c"/)
    assert.throws(() => new Space([when('x', 'y', 'u'), when('y', 'x', 'u')]), /circle: x → y → x/)
    assert.throws(() => new Space([{ ...kind, when: [] }]), /at least one condition/)
  })

  it('draws parents first, whatever the order, and only what exists', () => {
    const space = new Space([when('leaf', 'branch', 'u'), when('branch', 'kind', 'b'), kind])
    assert.deepEqual(
      space.parameters.map(({ name }) => name),
      ['kind', 'branch', 'leaf'],
    )
    assert.deepEqual(
      space.build(() => 0),
      { kind: 'a' },
    )
    assert.deepEqual(
      space.build(({ name }) => (name === 'kind' ? 1 : 0)),
      { kind: 'b', branch: 'u', leaf: 'u' },
    )
  })

  it('is recognised by its fingerprint: order does not count, any other change does', () => {
    const x: ParameterDefinition = { name: 'x', distribution: { type: 'float', low: 0, high: 1 } }
    const print = (...definitions: ParameterDefinition[]): string => new Space(definitions).fingerprint
    assert.equal(print(kind, x), print(x, kind))
    assert.notEqual(print(x), print({ ...x, name: 'y' }))
    assert.notEqual(print(x), print({ ...x, distribution: { type: 'float', low: 0, high: 2 } }))
    assert.notEqual(print(kind, when('y', 'kind', 'a')), print(kind, when('y', 'kind', 'b')))
    const space = new Space([kind, x])
    assert.equal(
      new Space(JSON.parse(JSON.stringify(space.definition())) as ParameterDefinition[]).fingerprint,
      space.fingerprint,
    )
  })
})

describe('axis', () => {
  const distributions: readonly Distribution[] = [
    { type: 'float', low: -3, high: 5 },
    { type: 'float', low: 1e-6, high: 1e-1, log: true },
    { type: 'float', low: 0.1, high: 0.95, step: 0.1 },
    { type: 'int', low: 3, high: 17 },
    { type: 'int', low: 1, high: 1000, log: true },
    { type: 'int', low: 0, high: 10, step: 4 },
    { type: 'quantized', low: 0, high: 10, step: 3 },
    { type: 'normal', mean: 5, std: 2 },
    { type: 'normal', mean: 0, std: 1, log: true, step: 0.5 },
  ]
  for (const distribution of distributions) {
    it(`${JSON.stringify(distribution)}: quantiles and values are each other's inverse`, () => {
      const axis = axisOf(distribution) as NumericAxis
      let last = -Infinity
      for (let unit = 0; unit < 1; unit += 1 / 64) {
        const value = valueAtQuantile(axis, unit)
        assert.ok(value >= last, `${value} after ${last}`)
        last = value
        assert.equal(toNumber(distribution, value), value)
        const back = quantileOf(axis, value)
        if (axis.step === null) assert.ok(Math.abs(back - unit) < 1e-9, `${back}, not ${unit}`)
        else {
          const [from, to] = cellOf(axis, value)
          assert.ok(to > from, `an empty cell at ${value}`)
        }
        assert.equal(fromNumber(distribution, value), value)
      }
    })
  }

  it('reaches both bounds exactly, and grids without the tail of digits of binary fractions', () => {
    const log = axisOf({ type: 'float', low: 0.01, high: 0.3, log: true })
    assert.equal(valueAtQuantile(log, 0), 0.01)
    assert.equal(valueAtQuantile(log, 1), 0.3)
    const tenths = axisOf({ type: 'float', low: 0, high: 1, step: 0.1 })
    const values = Array.from({ length: 110 }, (_, i) => valueAtQuantile(tenths, i / 110))
    assert.deepEqual([...new Set(values)], [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
  })

  it('knows what does not belong', () => {
    const cases: [Distribution, unknown][] = [
      [{ type: 'float', low: 0, high: 1 }, 1.1],
      [{ type: 'float', low: 0, high: 1 }, NaN],
      [{ type: 'int', low: 0, high: 9 }, 2.5],
      [{ type: 'int', low: 0, high: 9, step: 3 }, 4],
      [{ type: 'categorical', choices: ['a', 1] }, '1'],
      [{ type: 'randint', low: 2, high: 5 }, 5],
      [{ type: 'float', low: 0, high: 1 }, '0.5'],
    ]
    for (const [distribution, value] of cases) assert.equal(toNumber(distribution, value as number), null)
  })
})

describe('normal distribution', () => {
  it('agrees with Python: math.erfc and statistics.NormalDist().inv_cdf', () => {
    near(erfc(0.3), 0.6713732405408726, 1e-14)
    near(erfc(2), 0.004677734981047265, 1e-14)
    near(erfc(6), 2.1519736712498916e-17, 1e-13)
    near(erfc(-1), 1.842700792949715, 1e-14)
    near(normalQuantile(1e-20), -9.262340089798408, 1e-12)
    near(normalQuantile(0.3), -0.5244005127080407, 1e-14)
    near(normalMass(8, 9), 6.219831985865851e-16, 1e-10)
  })

  it('inverts itself', () => {
    for (const p of [1e-12, 0.001, 0.02425, 0.1, 0.5, 0.9, 0.98, 0.999999]) near(normalCdf(normalQuantile(p)), p, 1e-12)
  })
})

describe('eigenSymmetric', () => {
  it('takes a matrix apart and puts it together again', () => {
    const matrix = [
      [4, 1, -2, 0.5],
      [1, 3, 0, 1],
      [-2, 0, 5, -1],
      [0.5, 1, -1, 2],
    ]
    const { values, vectors } = eigenSymmetric(matrix)
    matrix.forEach((row, i) =>
      row.forEach((expected, j) => {
        const actual = values.reduce((sum, value, k) => sum + vectors[i]![k]! * value * vectors[j]![k]!, 0)
        assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}, not ${expected}`)
      }),
    )
  })
})

describe('coordinateOf', () => {
  it('gives 0 on a logarithmic grid the middle of its cell', () => {
    for (const distribution of [
      { type: 'normal', mean: 0, std: 1, log: true, step: 0.5 },
      { type: 'quantized', low: -8, high: 1, log: true, step: 0.5 },
    ] as const) {
      const axis = axisOf(distribution) as NumericAxis
      assert.equal(coordinateOf(axis, 0), Math.log(0.125))
      assert.ok(Number.isFinite(quantileOf(axis, 0)), 'no quantile')
      assert.equal(coordinateOf(axis, 0.5), Math.log(0.5))
    }
  })
})
