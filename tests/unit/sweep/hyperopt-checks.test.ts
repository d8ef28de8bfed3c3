import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  fmin,
  hp,
  JOB_STATE_DONE,
  partial,
  rand,
  space_eval,
  STATUS_OK,
  tpe,
  Trials,
} from '../../../src/sweep/hyperopt/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

/** What a program without types may pass. */
const anything = (value: unknown): never => value as never

const objective = ({ x }: { x: number }): number => x
const space = { x: hp.uniform('x', 0, 1) }

function refuses(name: string, call: () => unknown, message: RegExp): void {
  it(`refuses ${name}`, async () => {
    await assert.rejects(
      async () => call(),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError, String(error))
        assert.match(error.message, message)
        return true
      },
    )
  })
}

describe('fmin', () => {
  const run = (more: object): Promise<unknown> => fmin(anything({ objective, space, maxEvals: 3, ...more }))
  refuses('nothing', () => fmin(anything(undefined)), /expected one object of options, .*got undefined/)
  refuses("Python's positions", () => fmin(anything(objective)), /one object of options.*got the function objective/)
  refuses('no space', () => fmin(anything({ objective, maxEvals: 3 })), /expected space, .*got none/)
  refuses('an unknown option', () => run({ max_evals: 3 }), /unknown option "max_evals"\. Did you mean "maxEvals"\?/)
  refuses("Python's fn", () => run({ fn: objective }), /unknown option "fn"\. Did you mean "objective"\?/)
  refuses('an algorithm by its name', () => run({ algo: 'tpe' }), /expected algo to be tpe\.suggest.*got "tpe"/)
  refuses('an algorithm that makes no sampler', () => run({ algo: () => 3 }), /a sampler as tpe\.suggest does, got 3/)
  refuses('trials that are a list', () => run({ trials: [] }), /expected trials to be a Trials: .*got \[\]/)
  for (const maxEvals of [NaN, -1, 0.5, '5', Infinity])
    refuses(`maxEvals ${maxEvals}`, () => run({ maxEvals }), /maxEvals to be a whole number ≥ 1, got/)
  for (const timeout of [NaN, 0, '5'])
    refuses(`timeout ${timeout}`, () => run({ timeout }), /timeout to be > 0 seconds/)
  refuses('a threshold of NaN', () => run({ lossThreshold: NaN }), /lossThreshold to be a number, got NaN/)
  refuses(
    'an early stop that is no function',
    () => run({ earlyStopFn: true }),
    /earlyStopFn to be a function, got true/,
  )
  refuses(
    'points that are no list',
    () => run({ pointsToEvaluate: { x: 1 } }),
    /pointsToEvaluate to be a list of points/,
  )
  refuses('a point of null', () => run({ pointsToEvaluate: [null] }), /pointsToEvaluate to be a list of points/)
  refuses(
    '"no" for a switch',
    () => run({ catchEvalExceptions: 'no' }),
    /catchEvalExceptions to be true or false, got "no"/,
  )
  refuses('a seed of -1', () => run({ seed: -1 }), /seed to be a whole number ≥ 0, got -1/)
  refuses(
    'a BigInt as result',
    () => run({ objective: () => 1n }),
    /a number or \{ status, loss \}, got \[object BigInt\]/,
  )

  const circle: Record<string, unknown> = { x: hp.uniform('x', 0, 1) }
  circle['self'] = [circle]
  refuses('a space that holds itself', () => run({ space: circle }), /space: .*holds itself/)
  const option: unknown[] = [1]
  option.push(hp.choice('c', [option, 2]))
  refuses('a choice that holds itself', () => run({ space: option }), /space: .*holds itself/)
  it('takes one object in two places', async () => {
    const twice = { x: hp.uniform('x', 0, 1) }
    const best = await fmin({ objective: ([a]: { x: number }[]) => a!.x, space: [twice, twice], maxEvals: 3, seed: 1 })
    assert.equal(typeof best['x'], 'number')
  })

  for (const [name, wide] of [
    ['lognormal', hp.lognormal('x', 800, 10)],
    ['normal', hp.normal('x', 1e308, 1e308)],
  ] as const)
    it(`does not hand an infinity of ${name} to the objective`, async () => {
      const seen: number[] = []
      const look = ({ x }: { x: number }): number => {
        seen.push(x)
        return 0
      }
      await assert.rejects(
        fmin({ objective: look, space: { x: wide }, maxEvals: 20, seed: 1 }),
        /fmin: "x" was drawn as Infinity from normal\(.* narrower range/,
      )
      assert.ok(seen.every(Number.isFinite), seen.join())
    })

  it('never proposes NaN where values of a logarithmic grid are 0', async () => {
    const seen: number[] = []
    const look = ({ x }: { x: number }): number => {
      seen.push(x)
      return x
    }
    for (const grid of [hp.qlognormal('x', 0, 1, 1), hp.qloguniform('x', -3, 2, 1)])
      await fmin({ objective: look, space: { x: grid }, maxEvals: 60, seed: 1 })
    assert.ok(seen.includes(0), 'no trial had the value 0')
    assert.ok(seen.every(Number.isFinite), seen.join())
  })

  it("takes labels that are names of an object's own parts", async () => {
    const trials = new Trials()
    const labels = ['constructor', '__proto__', 'toString']
    const best = await fmin({
      objective: (values: number[]) => values.reduce((sum, value) => sum + value, 0),
      space: labels.map((label) => hp.uniform(label, 0, 1)),
      maxEvals: 15,
      seed: 1,
      trials,
    })
    assert.deepEqual(Object.keys(best).sort(), [...labels].sort())
    for (const label of labels) assert.equal(trials.vals[label]!.length, 15, label)
    const again = Trials.fromJSON(JSON.parse(JSON.stringify(trials)))
    assert.deepEqual(again.vals, trials.vals)
    assert.deepEqual(again.argmin, best)
  })
})

describe('hp', () => {
  const loose = hp as unknown as Record<string, (...args: unknown[]) => unknown>
  for (const kind of ['quniform', 'qloguniform', 'qnormal', 'qlognormal'])
    refuses(
      `${kind} without q`,
      () => loose[kind]!('x', 0, 1),
      new RegExp(`hp\\.${kind}\\('x'\\): expected q to be a finite number, got undefined`),
    )
  refuses('a range beyond the doubles', () => hp.uniform('x', -1e308, 1e308), /high − low to be a finite number/)
  refuses('qloguniform with exchanged bounds', () => hp.qloguniform('x', 3, 1, 1), /low ≤ high, got low=3 and high=1/)
  refuses('loguniform with exchanged bounds', () => hp.loguniform('x', 3, 1), /low ≤ high, got low=3 and high=1/)
  refuses('bounds whose exp is infinite', () => hp.loguniform('x', 0, 1000), /bounds that are logarithms.*Math\.log/)
  refuses('bounds whose exp is 0', () => hp.loguniform('x', -1000, 0), /bounds that are logarithms.*Math\.log/)
  refuses('a bound in quotes', () => loose['uniform']!('x', '0', 1), /expected low to be a finite number, got "0"/)
  refuses(
    'randint without its end',
    () => loose['randint']!('x'),
    /expected upper to be a finite number, got undefined/,
  )
  refuses('normal without its parts', () => loose['normal']!('x'), /expected mu to be a finite number/)
  refuses('pchoice without options', () => hp.pchoice('x', []), /pairs \[probability, option\], at least one/)
  refuses(
    'a probability beyond 1',
    () =>
      hp.pchoice('x', [
        [2, 'a'],
        [-1, 'b'],
      ]),
    /probabilities in \[0, 1\], got 2/,
  )
})

describe('algorithms', () => {
  refuses(
    'an option of tpe that there is not',
    () => partial(tpe.suggest, anything({ n_startup: 3 })),
    /unknown option "n_startup"/,
  )
  refuses('an option of rand', () => partial(rand.suggest, { gamma: 1 })(), /rand\.suggest: unknown option "gamma"/)
  refuses(
    'partial of nothing',
    () => partial(anything(undefined), {}),
    /partial: expected tpe\.suggest or rand\.suggest/,
  )
  refuses(
    'n_startup_jobs -1',
    () => tpe.suggest({ n_startup_jobs: -1 }),
    /n_startup_jobs to be a whole number ≥ 0, got -1/,
  )
  refuses('half a candidate', () => tpe.suggest({ n_EI_candidates: 0.5 }), /n_EI_candidates to be a whole number ≥ 1/)
  refuses('a gamma of NaN', () => tpe.suggest({ gamma: NaN }), /gamma to be a finite number > 0, got NaN/)
})

describe('Trials and points', () => {
  const document = { tid: 0, state: JOB_STATE_DONE, result: { status: STATUS_OK, loss: 1 } }
  const cases: [string, unknown][] = [
    ['null', null],
    ['numbers that are in no list', { ...document, misc: { tid: 0, vals: { x: 3 }, idxs: { x: [0] } } }],
    ['vals of null', { ...document, misc: { tid: 0, vals: null, idxs: {} } }],
    ['no idxs', { ...document, misc: { tid: 0, vals: {} } }],
    ['an unknown status', { ...document, result: { status: 'great' }, misc: { tid: 0, vals: {}, idxs: {} } }],
  ]
  for (const [name, one] of cases)
    refuses(name, () => Trials.fromJSON([one]), /Trials\.fromJSON: expected a trial, got/)
  refuses('no point', () => space_eval(space, anything(undefined)), /space_eval: expected a point second/)
  const circle: unknown[] = []
  circle.push(circle)
  refuses('space_eval of a circle', () => space_eval(circle, {}), /space_eval: .*holds itself/)
})
