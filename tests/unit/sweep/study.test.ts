import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  CmaEsSampler,
  JournalStorage,
  MedianPruner,
  MemoryStorage,
  RandomSampler,
  Space,
  Study,
  type Objective,
  type Sampler,
  type StudyOptions,
  type Trial,
} from '../../../src/sweep/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-study-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const space = new Space([
  { name: 'lr', distribution: { type: 'float', low: 1e-4, high: 1, log: true } },
  { name: 'kind', distribution: { type: 'categorical', choices: ['a', 'b'] } },
])
const loss: Objective = ({ params }) =>
  (Math.log10(params['lr'] as number) + 2) ** 2 + (params['kind'] === 'a' ? 0 : 0.5)
const open = (options: Partial<StudyOptions> = {}): Promise<Study> => Study.open({ name: 'test', space, ...options })
const paramsOf = (trials: readonly Trial[]): unknown[] => trials.map(({ params }) => params)

describe('study', () => {
  it('runs trials to the number that was asked for, and knows the best', async () => {
    const study = await open()
    const trials = await study.optimize(loss, { trials: 40 })
    assert.equal(trials.length, 40)
    assert.ok(
      trials.every(({ state }) => state === 'complete'),
      'not all complete',
    )
    assert.equal(study.best(trials)!.values![0], Math.min(...trials.map(({ values }) => values![0]!)))
    const other = await open({ directions: ['maximize'] })
    const maximized = await other.optimize(loss, { trials: 10 })
    assert.equal(other.best(maximized)!.values![0], Math.max(...maximized.map(({ values }) => values![0]!)))
  })

  it('counts trials of earlier calls: the number is that of the study', async () => {
    const study = await open()
    await study.optimize(loss, { trials: 5 })
    assert.equal((await study.optimize(loss, { trials: 8 })).length, 8)
    assert.equal((await study.optimize(loss, { trials: 3 })).length, 8)
  })

  for (const stopped of ['between trials', 'inside a trial', 'by an error of the machine']) {
    it(`goes on exactly after it was stopped ${stopped}: the suggestions of an uninterrupted serial run`, async () => {
      const uninterrupted = await (await open({ seed: 11 })).optimize(loss, { trials: 30 })
      const path = join(folder, `${stopped}.jsonl`)
      for (let stops = 0; stops < 4; stops++) {
        const study = await open({ seed: 11, storage: new JournalStorage(path) })
        const stop = new AbortController()
        let count = 0
        const objective: Objective = async (trial) => {
          await trial.report(1, 1)
          if (++count === 6 && stopped === 'inside a trial') {
            stop.abort()
            throw new Error('stopped')
          }
          return loss(trial)
        }
        const onTrial = (): void => {
          if (count === 6 && stopped === 'between trials') stop.abort()
        }
        if (stopped === 'by an error of the machine') {
          for (let i = 0; i < 5; i++) {
            const trial = await study.ask({ owner: `one-${stops}` })
            if (i < 4) await trial!.complete(await loss(trial!))
          }
        } else await study.optimize(objective, { trials: 30, signal: stop.signal, onTrial })
        await study.close() // a running trial is left behind by a machine that stops
      }
      const study = await open({ seed: 11, storage: new JournalStorage(path) })
      const resumed = await study.optimize(loss, { trials: 30 })
      await study.close()
      assert.ok(
        resumed.some(({ attempt }) => attempt > 1) !== (stopped === 'between trials'),
        'no trial was begun again',
      )
      assert.deepEqual(paramsOf(resumed), paramsOf(uninterrupted))
    })
  }

  it('makes each number once with several workers, and no more than asked', async () => {
    const study = await open({ storage: new JournalStorage(join(folder, 'workers.jsonl')) })
    let running = 0
    let most = 0
    const objective: Objective = async (trial) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running--
      return loss(trial)
    }
    const trials = await study.optimize(objective, { trials: 20, workers: 4 })
    await study.close()
    assert.equal(trials.length, 20)
    assert.equal(most, 4)
    assert.equal(new Set(trials.map(({ owner }) => owner)).size, 4)
  })

  it('does not announce a result that came after the trial was given to another worker', async () => {
    const study = await open()
    const announced: number[] = []
    await study.optimize(
      async (trial) => {
        if (trial.number === 1 && trial.attempt === 1) await trial.release() // as a lease that ran out
        return 1
      },
      { trials: 3, onTrial: ({ number }) => announced.push(number) },
    )
    assert.deepEqual(announced, [0, 1, 2])
  })

  it('keeps NaN, errors, pruned and complete trials apart', async () => {
    const study = await open()
    const trials = await study.optimize(
      (trial) => {
        if (trial.number === 0) return NaN
        if (trial.number === 1) throw new Error('broken')
        if (trial.number === 2) trial.prune()
        if (trial.number === 3) return -Infinity
        if (trial.number === 4) return undefined as unknown as number
        trial.set('seconds', 1.5)
        return 1
      },
      { trials: 6 },
    )
    assert.deepEqual(
      trials.map(({ state, failure }) => failure?.kind ?? state),
      ['nan', 'error', 'pruned', 'nan', 'unreported', 'complete'],
    )
    assert.match(trials[0]!.failure!.message, /value is NaN/)
    assert.match(trials[1]!.failure!.message, /broken/)
    assert.deepEqual(trials[5]!.attributes, { seconds: 1.5 })
    assert.equal(study.best(trials)!.number, 5)
  })

  it('prunes by intermediate values', async () => {
    const study = await open({ pruner: new MedianPruner({ startupTrials: 3 }), sampler: new RandomSampler() })
    const trials = await study.optimize(
      async (trial) => {
        for (let epoch = 1; epoch <= 5; epoch++) {
          await trial.report(trial.number < 4 ? 1 : 5, epoch)
          if (await trial.shouldPrune()) trial.prune()
        }
        return 1
      },
      { trials: 8 },
    )
    assert.deepEqual(
      trials.map(({ state }) => state),
      [...Array<string>(4).fill('complete'), ...Array<string>(4).fill('pruned')],
    )
    assert.equal(trials[5]!.reports.length, 1)
  })

  it('runs enqueued points first', async () => {
    const study = await open()
    await study.enqueue({ lr: 0.01, kind: 'a' })
    const trials = await study.optimize(loss, { trials: 3 })
    assert.deepEqual(trials[0]!.params, { lr: 0.01, kind: 'a' })
    await assert.rejects(study.enqueue({ lr: 5, kind: 'a' }), /lr: expected a value of .*got 5/)
    await assert.rejects(study.enqueue({ lr: 0.1 }), /expected a value for "kind"/)
    await assert.rejects(study.enqueue({ lr: 0.1, kind: 'a', lrr: 1 }), /no parameter "lrr".* Did you mean "lr"\?/)
  })

  it('leaves enqueued points beyond the number of trials waiting, and ends', async () => {
    const study = await open()
    for (const lr of [0.01, 0.02, 0.03]) await study.enqueue({ lr, kind: 'a' })
    const states = (trials: readonly Trial[]): string[] => trials.map(({ state }) => state)
    assert.deepEqual(states(await study.optimize(loss, { trials: 1 })), ['complete', 'waiting', 'waiting'])
    assert.deepEqual(states(await study.optimize(loss, { trials: 4 })), Array<string>(4).fill('complete'))
  })

  it('does not take a time beyond 24.8 days for none', async () => {
    const trials = await (await open()).optimize(loss, { trials: 3, timeoutSeconds: 30 * 86_400 })
    assert.equal(trials.filter(({ state }) => state === 'complete').length, 3)
  })

  it('makes nothing when the sampler cannot serve the space, or the name is none', async () => {
    const path = join(folder, 'refused', 'journal.jsonl')
    await assert.rejects(open({ sampler: new CmaEsSampler(), storage: new JournalStorage(path) }), /cma-es sampler/)
    for (const name of ['.', '..', 'a/b', ''])
      await assert.rejects(open({ name, storage: new JournalStorage(path) }), /a name without slashes/)
    assert.equal(existsSync(join(folder, 'refused')), false)
  })

  it('finds the Pareto front of several objectives', async () => {
    const study = await open({ directions: ['maximize', 'minimize'], objectives: ['accuracy', 'milliseconds'] })
    const values = [
      [0.9, 10],
      [0.8, 5],
      [0.85, 12],
      [0.9, 9],
      [0.8, 5],
    ]
    const trials = await study.optimize((trial) => values[trial.number]!, { trials: 5 })
    assert.deepEqual(
      study.paretoFront(trials).map(({ number }) => number),
      [1, 3, 4],
    )
    assert.throws(() => study.best(trials), /several objectives/)
    await assert.rejects(
      open({ directions: ['minimize', 'minimize'], pruner: new MedianPruner() }),
      /median pruner compares one objective/,
    )
    const wrong = await (await open({ directions: ['minimize', 'minimize'] })).optimize(() => 1, { trials: 1 })
    assert.match(wrong[0]!.failure!.message, /expected 2 numbers \(value 1, value 2\), got 1/)
  })

  it('ends when the time is over, and gives back what runs', async () => {
    const study = await open()
    const objective: Objective = ({ signal, number }) =>
      new Promise((resolve, reject) => {
        if (number < 2) resolve(1)
        else signal.addEventListener('abort', () => reject(new Error('stopped')))
      })
    const trials = await study.optimize(objective, { trials: 10, timeoutSeconds: 0.3 })
    assert.deepEqual(
      trials.map(({ state }) => state),
      ['complete', 'complete', 'waiting'],
    )
  })

  it("checks a sampler of the user's own, and ends when it has no more", async () => {
    const wild: Sampler = { name: 'wild', suggest: () => ({ lr: 7, kind: 'a' }) }
    await assert.rejects(
      (await open({ sampler: wild })).optimize(loss, { trials: 3 }),
      /wild sampler: lr: expected a value/,
    )
    const two: Sampler = { name: 'two', suggest: ({ number }) => (number < 2 ? { lr: 0.1, kind: 'b' } : null) }
    assert.equal((await (await open({ sampler: two })).optimize(loss, { trials: 9 })).length, 2)
  })

  it('refuses names and numbers that make no sense', async () => {
    await assert.rejects(open({ name: 'a/b' }), /a name without slashes/)
    await assert.rejects(open({ seed: -1 }), /seed to be a whole number/)
    await assert.rejects(open({ directions: [] }), /one direction for each/)
    const study = await open()
    await assert.rejects(study.optimize(loss, { trials: 0 }), /trials to be a whole number ≥ 1, got 0/)
    await assert.rejects(study.optimize(loss, { trials: 1, workers: 0 }), /workers/)
    const storage = new MemoryStorage()
    await open({ storage })
    await assert.rejects(open({ storage, seed: 5 }), /seed 0, and now 5 is asked for.*Nothing was changed/)
  })
})
