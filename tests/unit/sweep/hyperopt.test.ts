import assert from 'node:assert/strict'
import { dirname, join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import {
  fmin,
  hp,
  JOB_STATE_DONE,
  JOB_STATE_ERROR,
  partial,
  rand,
  space_eval,
  STATUS_FAIL,
  STATUS_OK,
  STATUS_STRINGS,
  tpe,
  Trials,
  type TrialDocument,
} from '../../../src/sweep/hyperopt/index.ts'
import { relativeImports, root, textOf } from '../structure/sources.ts'

const quadratic = { objective: ({ x }: { x: number }): number => (x - 3) ** 2, space: { x: hp.uniform('x', -10, 10) } }

describe('trivium/hyperopt', () => {
  it('needs nothing of the rest: errors, suggestions for typos and random numbers alone, no package, no native code', () => {
    const seen = new Set<string>()
    const outside = new Set<string>()
    const visit = (file: string): void => {
      if (seen.has(file)) return
      seen.add(file)
      const text = textOf(file)
      for (const [, name] of text.matchAll(/^(?:import|export) .*?from '([^'.][^']*)'/gm)) outside.add(name!)
      for (const { to } of relativeImports(file, text)) visit(to)
    }
    visit('src/sweep/hyperopt/index.ts')
    assert.ok(seen.size > 12, `only ${seen.size} files were found: the reader of this test is broken`)
    assert.deepEqual([...outside], [])
    const elsewhere = [...seen].filter((file) => !file.startsWith('src/sweep/')).sort()
    const util = ['errors', 'option-names', 'rng', 'suggest'].map((name) => `src/util/${name}.ts`)
    assert.deepEqual(elsewhere, util)
    assert.equal(resolve(root, dirname('src/sweep/hyperopt/index.ts')), join(root, 'src/sweep/hyperopt'))
  })
})

describe('fmin', () => {
  it("finds the minimum of a parabola, as in hyperopt's first example", async () => {
    const best = await fmin({ ...quadratic, algo: tpe.suggest, maxEvals: 100, seed: 1 })
    assert.ok(Math.abs(best['x']! - 3) < 0.1, `x = ${best['x']}`)
  })

  it('gives the same trials for the same seed, and others for another', async () => {
    const xs = async (seed: number): Promise<number[]> => {
      const trials = new Trials()
      await fmin({ ...quadratic, maxEvals: 25, seed, trials })
      return trials.vals['x']!
    }
    assert.deepEqual(await xs(7), await xs(7))
    assert.notDeepEqual(await xs(7), await xs(8))
  })

  it('goes on with a record that was saved as JSON, exactly as if it had not stopped', async () => {
    const whole = new Trials()
    await fmin({ ...quadratic, maxEvals: 30, seed: 2, trials: whole })
    const first = new Trials()
    await fmin({ ...quadratic, maxEvals: 17, seed: 2, trials: first })
    const second = Trials.fromJSON(JSON.parse(JSON.stringify(first)))
    await fmin({ ...quadratic, maxEvals: 30, seed: 2, trials: second })
    assert.deepEqual(second.vals, whole.vals)
    assert.deepEqual(second.losses(), whole.losses())
  })

  it('lets the algorithm be chosen and its options be set', async () => {
    const xs = async (algo: typeof tpe.suggest): Promise<number[]> => {
      const trials = new Trials()
      await fmin({ ...quadratic, algo, maxEvals: 30, seed: 3, trials })
      return trials.vals['x']!
    }
    const standard = await xs(tpe.suggest)
    assert.notDeepEqual(await xs(rand.suggest), standard)
    for (const options of [{ n_startup_jobs: 20 }, { n_EI_candidates: 5 }, { gamma: 1 }, { prior_weight: 5 }])
      assert.notDeepEqual(await xs(partial(tpe.suggest, options)), standard, JSON.stringify(options))
  })

  it('takes results with a status, keeps what else they hold, and does not let NaN or a failure win', async () => {
    const trials = new Trials()
    const best = await fmin({
      objective: ({ x }: { x: number }) => {
        if (x < -5) return { status: STATUS_FAIL, why: 'too small' }
        if (x < 0) return NaN
        return { status: STATUS_OK, loss: x, extra: [x] }
      },
      space: quadratic.space,
      maxEvals: 40,
      seed: 1,
      trials,
    })
    assert.ok(best['x']! >= 0, `x = ${best['x']}`)
    assert.deepEqual(trials.best_trial.result['extra'], [best['x']])
    assert.ok(trials.statuses().includes(STATUS_FAIL), 'no failure')
    assert.ok(
      trials.results.some(({ loss }) => Number.isNaN(loss)),
      'no NaN',
    )
    assert.equal(trials.losses().filter((loss) => loss === null).length, trials.vals['x']!.filter((x) => x < 0).length)
  })

  it('throws what the objective throws, keeping the trial; or goes on when it is told to', async () => {
    const objective = ({ x }: { x: number }): number => {
      if (x > 0) throw new RangeError('positive')
      return x
    }
    const trials = new Trials()
    await assert.rejects(fmin({ objective, space: quadratic.space, maxEvals: 20, seed: 1, trials }), /positive/)
    assert.equal(trials.trials.at(-1)!.state, JOB_STATE_ERROR)
    assert.deepEqual(trials.trials.at(-1)!.misc.error, ['RangeError', 'positive'])
    const best = await fmin({ objective, space: quadratic.space, maxEvals: 20, seed: 1, catchEvalExceptions: true })
    assert.ok(best['x']! <= 0, `x = ${best['x']}`)
  })

  it('stops at a threshold, at a time, and when it is told to', async () => {
    const count = async (options: Partial<Parameters<typeof fmin<{ x: number }>>[0]>): Promise<number> => {
      const trials = new Trials()
      await fmin({ ...quadratic, maxEvals: 50, seed: 1, trials, ...options })
      return trials.length
    }
    assert.equal(await count({ lossThreshold: 1e9 }), 1)
    assert.equal(await count({ earlyStopFn: (trials) => trials.length === 4 }), 4)
    const slow = async ({ x }: { x: number }): Promise<number> => {
      await new Promise((resolve) => setTimeout(resolve, 30))
      return x
    }
    assert.ok((await count({ timeout: 0.2, objective: slow })) < 50, 'the timeout was ignored')
  })

  it('tries given points first', async () => {
    const trials = new Trials()
    await fmin({ ...quadratic, maxEvals: 3, seed: 1, trials, pointsToEvaluate: [{ x: 2.5 }, { x: -1 }] })
    assert.deepEqual(trials.vals['x']!.slice(0, 2), [2.5, -1])
    await assert.rejects(
      fmin({ ...quadratic, maxEvals: 3, pointsToEvaluate: [{ x: 50 }] }),
      /x: expected a value of .*got 50/,
    )
  })

  it("records trials in hyperopt's layout", async () => {
    const trials = new Trials()
    const space = hp.choice('kind', [{ a: hp.uniform('a', 0, 1) }, { b: hp.randint('b', 5) }])
    await fmin({ objective: () => 1, space, maxEvals: 12, seed: 4, trials, algo: rand.suggest })
    const document: TrialDocument = trials.trials[3]!
    const chosen = document.misc.vals['kind']![0]
    assert.equal(document.state, JOB_STATE_DONE)
    assert.deepEqual(document.misc.vals[chosen === 0 ? 'b' : 'a'], [])
    assert.deepEqual(document.misc.idxs[chosen === 0 ? 'a' : 'b'], [3])
    assert.deepEqual(
      trials.tids,
      Array.from({ length: 12 }, (_, i) => i),
    )
    assert.equal(trials.idxs['a']!.length + trials.idxs['b']!.length, 12)
    assert.equal(STATUS_STRINGS.length, 5)
  })

  it('refuses what makes no sense, by name', async () => {
    const run = (options: object): Promise<unknown> => fmin({ ...quadratic, maxEvals: 5, ...options })
    await assert.rejects(run({ space: { x: 3 } }), /at least one hp\.… expression/)
    await assert.rejects(run({ maxEvals: 0 }), /maxEvals to be a whole number ≥ 1, got 0/)
    await assert.rejects(run({ space: [hp.uniform('x', 0, 1), hp.uniform('x', 0, 1)] }), /each label once, "x"/)
    await assert.rejects(run({ objective: () => 'good' }), /number or \{ status, loss \}, got "good"/)
    await assert.rejects(run({ objective: () => NaN }), /at least one trial with a finite loss, got none of 5/)
    assert.throws(() => hp.uniform('x', 1, 0), /hp\.uniform\('x'\): expected low ≤ high, got low=1 and high=0/)
    assert.throws(() => hp.choice('c', []), /at least one option/)
    assert.throws(
      () =>
        hp.pchoice('c', [
          [0.5, 'a'],
          [0.2, 'b'],
        ]),
      /sum to 1, got 0\.7/,
    )
    assert.throws(() => hp.quniform('q', 0, 1, 0), /hp\.quniform\('q'\): expected q > 0, got 0/)
    assert.throws(() => hp.normal('n', 0, -1), /hp\.normal\('n'\): expected sigma > 0, got -1/)
    assert.throws(() => hp.uniform('', 0, 1), /expected a label first/)
  })
})

describe('hp', () => {
  const draws = async (space: unknown, count = 400): Promise<unknown[]> => {
    const seen: unknown[] = []
    const objective = (args: unknown): number => {
      seen.push(args)
      return 0
    }
    await fmin<unknown>({ objective, space, algo: rand.suggest, maxEvals: count, seed: 5 })
    return seen
  }
  const cases: readonly [name: string, space: unknown, holds: (value: number) => boolean, middle: number][] = [
    ['uniform', hp.uniform('x', 2, 4), (value) => value >= 2 && value <= 4, 3],
    ['quniform', hp.quniform('x', 0, 10, 2), (value) => [0, 2, 4, 6, 8, 10].includes(value), 5],
    ['loguniform', hp.loguniform('x', Math.log(1e-3), Math.log(10)), (value) => value >= 1e-3 && value <= 10, 0.1],
    ['qloguniform', hp.qloguniform('x', 0, Math.log(64), 4), (value) => value % 4 === 0 && value <= 64, 8],
    ['normal', hp.normal('x', -2, 1), (value) => value > -8 && value < 4, -2],
    ['qnormal', hp.qnormal('x', 10, 3, 0.5), (value) => (value * 2) % 1 === 0, 10],
    ['lognormal', hp.lognormal('x', 0, 1), (value) => value > 0, 1],
    [
      'qlognormal',
      hp.qlognormal('x', 3, 1, 1),
      (value) => Number.isInteger(value) && value >= 0,
      Math.round(Math.exp(3)),
    ],
    ['randint', hp.randint('x', 10), (value) => Number.isInteger(value) && value >= 0 && value < 10, 4.5],
    ['uniformint', hp.uniformint('x', 1, 9), (value) => Number.isInteger(value) && value >= 1 && value <= 9, 5],
  ]
  for (const [name, space, holds, middle] of cases) {
    it(`${name} draws from its range, half of it below the middle`, async () => {
      const values = (await draws(space)) as number[]
      assert.deepEqual(
        values.filter((value) => !holds(value)),
        [],
      )
      const below =
        values.filter((value) => value < middle).length + values.filter((value) => value === middle).length / 2
      assert.ok(Math.abs(below / values.length - 0.5) < 0.1, `${below} of ${values.length} below ${middle}`)
    })
  }

  it('randint takes a lower bound too', async () => {
    const values = (await draws(hp.randint('x', 5, 8), 60)) as number[]
    assert.deepEqual([...new Set(values)].sort(), [5, 6, 7])
  })

  it('pchoice follows its probabilities', async () => {
    const values = await draws(
      hp.pchoice('c', [
        [0.8, 'often'],
        [0.2, 'seldom'],
      ]),
    )
    const share = values.filter((value) => value === 'often').length / values.length
    assert.ok(Math.abs(share - 0.8) < 0.06, `share ${share}`)
  })

  it('nests: options hold expressions that exist only there, arrays and literals stay', async () => {
    const space = {
      model: hp.choice('model', [
        {
          type: 'svm',
          C: hp.lognormal('C', 0, 1),
          kernel: hp.choice('kernel', ['linear', { rbf: hp.uniform('gamma', 0, 1) }]),
        },
        { type: 'tree', depth: hp.choice('depth', [null, hp.qlognormal('depth_n', 2, 1, 1)]) },
      ]),
      fixed: [1, 'a', null],
    }
    for (const { model, fixed } of (await draws(space, 80)) as { model: Record<string, unknown>; fixed: unknown }[]) {
      assert.deepEqual(fixed, [1, 'a', null])
      if (model['type'] === 'svm') {
        assert.equal(typeof model['C'], 'number')
        assert.ok(
          model['kernel'] === 'linear' || typeof (model['kernel'] as { rbf: number }).rbf === 'number',
          JSON.stringify(model),
        )
      } else assert.ok(model['depth'] === null || typeof model['depth'] === 'number', JSON.stringify(model))
    }
  })

  it('lets one expression stand in several branches', async () => {
    const lr = hp.loguniform('lr', -5, 0)
    const space = hp.choice('kind', [{ lr }, { lr, momentum: hp.uniform('momentum', 0, 1) }, {}])
    for (const drawn of (await draws(space, 60)) as Record<string, number>[]) {
      assert.ok([0, 1, 2].includes(Object.keys(drawn).length), JSON.stringify(drawn))
    }
  })
})

describe('space_eval', () => {
  it("puts a point back into the space, of indices and of a trial's lists", () => {
    const space = { c: hp.choice('c', ['zero', { x: hp.uniform('x', 0, 1) }]), y: 4 }
    assert.deepEqual(space_eval(space, { c: 1, x: 0.25 }), { c: { x: 0.25 }, y: 4 })
    assert.deepEqual(space_eval(space, { c: [0], x: [] }), { c: 'zero', y: 4 })
    assert.throws(() => space_eval(space, { c: 1 }), /expected a number for "x", got none/)
    assert.throws(() => space_eval(space, { c: 7 }), /index of one of 2 options, got 7/)
  })
})
