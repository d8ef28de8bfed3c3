/**
 * What every storage must do. A storage's test calls `storageSuite(name, { create })`; a user's own storage is tested the same way.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  MAX_ATTEMPTS,
  Space,
  type Claim,
  type Storage,
  type StudyDefinition,
  type Suggest,
  type Trial,
} from '../sweep/index.ts'

export interface StorageSuiteOptions {
  /** a storage of its own place, so that `create(place)` twice are two processes' views of one; place is new for each test */
  readonly create: (place: string) => Promise<Storage> | Storage
  /** whether two storages of one place see the same study */
  readonly shared: boolean
  /** makes the owner's death known, as by a killed process: closes the storage without finishing its trials, waits for a lease … */
  readonly kill?: (storage: Storage) => Promise<void>
  readonly skip?: string | false
}

const space = new Space([
  { name: 'lr', distribution: { type: 'float', low: 1e-9, high: 1, log: true } },
  { name: 'kind', distribution: { type: 'categorical', choices: ['ä b', null, 3, { deep: [1, 'x'] }] } },
])

export function definition(changes: Partial<StudyDefinition> = {}): StudyDefinition {
  return {
    name: 'a study: été 画像',
    space: space.definition(),
    fingerprint: space.fingerprint,
    objectives: ['value'],
    directions: ['minimize'],
    seed: 3,
    ...changes,
  }
}

const params = (number: number): Record<string, number | string> => ({ lr: (1.1e-7 * (number + 1)) / 3, kind: 'ä b' })
const suggest: Suggest = (_, number) => params(number)
const claimOf = (trial: Trial): Claim => ({ number: trial.number, owner: trial.owner!, attempt: trial.attempt })

export function storageSuite(name: string, options: StorageSuiteOptions): void {
  let places = 0
  const open = async (place = `place-${places++}`): Promise<Storage> => {
    const storage = await options.create(place)
    await storage.open(definition())
    return storage
  }
  const start = async (storage: Storage, owner = 'worker', limit = 100): Promise<Trial> => {
    const trial = await storage.start(owner, { limit, suggest })
    assert.ok(trial !== null, 'nothing was started')
    return trial
  }
  const using = async (storages: Storage[], work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } finally {
      for (const storage of storages) await storage.close()
    }
  }

  describe(`storage ${name}`, { skip: options.skip ?? false }, () => {
    it('numbers trials 0, 1, 2 … and gives back what it was given', async () => {
      const storage = await open()
      await using([storage], async () => {
        const first = await start(storage)
        assert.equal(first.state, 'running')
        assert.equal(first.attempt, 1)
        assert.equal(first.owner, 'worker')
        assert.deepEqual(first.params, params(0))
        assert.deepEqual(Object.keys(first.params), Object.keys(params(0)))
        const second = await start(storage)
        assert.equal(second.number, 1)
        await storage.finish(claimOf(second), {
          state: 'complete',
          values: [1 / 3],
          attributes: { seconds: 1.5, note: 'ä' },
        })
        const [, stored] = await storage.trials()
        assert.equal(stored!.state, 'complete')
        assert.deepEqual(stored!.values, [1 / 3])
        assert.deepEqual(stored!.attributes, { seconds: 1.5, note: 'ä' })
        assert.match(stored!.startedAt!, /^\d{4}-\d\d-\d\dT.*Z$/)
        assert.ok(stored!.finishedAt! >= stored!.startedAt!, `${stored!.startedAt}, ${stored!.finishedAt}`)
      })
    })

    it('keeps the states apart: complete, pruned, failed with its cause', async () => {
      const storage = await open()
      await using([storage], async () => {
        const trials = [await start(storage), await start(storage), await start(storage), await start(storage)]
        await storage.finish(claimOf(trials[0]!), { state: 'complete', values: [2] })
        await storage.finish(claimOf(trials[1]!), { state: 'pruned' })
        await storage.finish(claimOf(trials[2]!), {
          state: 'failed',
          failure: { kind: 'nan', message: 'value is NaN' },
        })
        const stored = await storage.trials()
        assert.deepEqual(
          stored.map(({ state }) => state),
          ['complete', 'pruned', 'failed', 'running'],
        )
        assert.deepEqual(stored[2]!.failure, { kind: 'nan', message: 'value is NaN' })
        assert.equal(stored[1]!.values, null)
      })
    })

    it('hands the whole history to the suggestion, and makes no trial past the limit or when there is no suggestion', async () => {
      const storage = await open()
      await using([storage], async () => {
        const seen: number[] = []
        const look: Suggest = (history, number) => {
          seen.push(history.length)
          return params(number)
        }
        for (let i = 0; i < 3; i++) assert.notEqual(await storage.start('worker', { limit: 3, suggest: look }), null)
        assert.equal(await storage.start('worker', { limit: 3, suggest: look }), null)
        assert.deepEqual(seen, [0, 1, 2])
        assert.equal(await storage.start('worker', { limit: 9, suggest: () => null }), null)
        assert.equal((await storage.trials()).length, 3)
      })
    })

    it('starts enqueued trials first, in their order', async () => {
      const storage = await open()
      await using([storage], async () => {
        await start(storage)
        const queued = await storage.enqueue({ lr: 0.5, kind: null })
        await storage.enqueue({ lr: 0.25, kind: { deep: [1, 'x'] } })
        assert.equal(queued.state, 'waiting')
        assert.equal(queued.attributes['enqueued'], true)
        const next = await start(storage)
        assert.equal(next.number, 1)
        assert.deepEqual(next.params, { lr: 0.5, kind: null })
        assert.deepEqual((await start(storage)).params, { lr: 0.25, kind: { deep: [1, 'x'] } })
        assert.deepEqual((await start(storage)).params, params(3))
      })
    })

    it('enqueues a point once where that is asked for', async () => {
      const storage = await open()
      await using([storage], async () => {
        const first = await storage.enqueue({ lr: 0.5, kind: { deep: [1, 'x'] } }, true)
        const again = await storage.enqueue({ kind: { deep: [1, 'x'] }, lr: 0.5 }, true)
        assert.equal(again.number, first.number)
        assert.equal((await storage.enqueue({ lr: 0.25, kind: null }, true)).number, 1)
        assert.equal((await storage.enqueue({ lr: 0.5, kind: { deep: [1, 'x'] } })).number, 2)
        // A trial that was drawn is no enqueued one.
        const drawn = await start(storage)
          .then(() => start(storage))
          .then(() => start(storage))
          .then(() => start(storage))
        assert.equal(drawn.number, 3)
        assert.equal((await storage.enqueue(params(3), true)).number, 4)
      })
    })

    it('finds the study as it was begun, and nothing under another name', async () => {
      const place = `place-${places++}`
      const empty = await options.create(place)
      await using([empty], async () => {
        assert.equal(await empty.find(definition().name), null)
        const setup = { 'arcface.epochs': 3, deep: { x: [1] } }
        await empty.open(definition({ setup, search: { sampler: 'tpe', pruner: 'median' } }))
        const found = await empty.find(definition().name)
        assert.deepEqual(found?.setup, setup)
        assert.deepEqual(found?.search, { sampler: 'tpe', pruner: 'median' })
        assert.deepEqual(found?.space, space.definition())
        assert.equal(await empty.find('another'), null)
      })
    })

    it('refuses another configuration and names the keys; another sampler may go on', async () => {
      const storage = await options.create(`place-${places++}`)
      await using([storage], async () => {
        const begun = definition({ setup: { a: 1, b: [2], c: 'x' }, search: { sampler: 'tpe', pruner: 'none' } })
        await storage.open(begun)
        const other = { ...begun, setup: { a: 1, b: [3], d: null } }
        await assert.rejects(
          storage.open(other),
          /another configuration:\n {2}b: \[2\] → \[3\]\n {2}c: "x" → unset\n {2}d: unset → null\n/,
        )
        const same = await storage.open({ ...begun, search: { sampler: 'random', pruner: 'asha' } })
        assert.deepEqual(same.search, begun.search)
        await storage.open(definition())
      })
    })

    it('starts waiting trials below the limit alone', async () => {
      const storage = await open()
      await using([storage], async () => {
        for (const lr of [0.5, 0.25, 0.125]) await storage.enqueue({ lr, kind: 3 })
        assert.equal((await start(storage, 'worker', 1)).number, 0)
        assert.equal(await storage.start('worker', { limit: 1, suggest }), null)
        assert.deepEqual((await start(storage, 'worker', 2)).params, { lr: 0.25, kind: 3 })
        assert.equal((await start(storage, 'worker', Infinity)).number, 2)
      })
    })

    it('keeps reports by step, replaces the same step, and keeps NaN and infinity', async () => {
      const storage = await open()
      await using([storage], async () => {
        const claim = claimOf(await start(storage))
        for (const [step, value] of [
          [1, 0.5],
          [10, NaN],
          [2, -Infinity],
          [1, 0.25],
        ] as const)
          assert.equal(await storage.report(claim, step, value), true)
        const [trial] = await storage.trials()
        assert.deepEqual(trial!.reports, [
          { step: 1, value: 0.25 },
          { step: 2, value: -Infinity },
          { step: 10, value: NaN },
        ])
      })
    })

    it('counts a trial once: a second end, a stale claim and another owner change nothing', async () => {
      const storage = await open()
      await using([storage], async () => {
        const trial = await start(storage)
        const claim = claimOf(trial)
        assert.equal(await storage.finish({ ...claim, owner: 'somebody' }, { state: 'pruned' }), false)
        assert.equal(await storage.finish({ ...claim, attempt: 2 }, { state: 'pruned' }), false)
        assert.equal(await storage.finish({ ...claim, number: 99 }, { state: 'pruned' }), false)
        assert.equal(await storage.finish(claim, { state: 'complete', values: [1] }), true)
        assert.equal(await storage.finish(claim, { state: 'complete', values: [2] }), false)
        assert.equal(await storage.report(claim, 1, 1), false)
        assert.equal(await storage.release(claim), false)
        const [stored] = await storage.trials()
        assert.deepEqual(stored!.values, [1])
        assert.deepEqual(stored!.reports, [])
      })
    })

    it('runs a released trial again from its beginning, with the same number and parameters', async () => {
      const storage = await open()
      await using([storage], async () => {
        const claim = claimOf(await start(storage))
        await storage.report(claim, 1, 5)
        assert.equal(await storage.release(claim), true)
        assert.equal((await storage.trials())[0]!.state, 'waiting')
        const again = await start(storage, 'another')
        assert.equal(again.number, 0)
        assert.equal(again.attempt, 2)
        assert.deepEqual(again.params, params(0))
        assert.deepEqual(again.reports, [])
        assert.equal(await storage.finish(claim, { state: 'complete', values: [1] }), false)
        assert.equal(await storage.finish(claimOf(again), { state: 'complete', values: [2] }), true)
      })
    })

    it('hands out what does not change afterwards', async () => {
      const storage = await open()
      await using([storage], async () => {
        const trial = await start(storage)
        const before = await storage.trials()
        await storage.finish(claimOf(trial), { state: 'pruned' })
        assert.equal(trial.state, 'running')
        assert.equal(before[0]!.state, 'running')
      })
    })

    it('refuses a study of another space, direction or seed, names the difference and loses nothing', async () => {
      const storage = await open()
      await using([storage], async () => {
        await start(storage)
        const other = new Space([{ name: 'lr', distribution: { type: 'float', low: 1e-9, high: 2, log: true } }])
        const changes: [Partial<StudyDefinition>, RegExp][] = [
          [
            { space: other.definition(), fingerprint: other.fingerprint },
            /another space:\n {2}lr: 1e-9 … 1 \(log\) → 1e-9 … 2 \(log\)\n {2}kind: .* → not searched\n/,
          ],
          [{ directions: ['maximize'] }, /directions minimize, and now maximize/],
          [{ objectives: ['loss'] }, /objectives value, and now loss/],
          [{ seed: 4 }, /seed 3, and now 4/],
        ]
        for (const [change, message] of changes) await assert.rejects(storage.open(definition(change)), message)
        assert.equal((await storage.trials()).length, 1)
      })
    })

    it('is shared: what one sees the other sees, and a number is given once', { skip: !options.shared }, async () => {
      const place = `place-${places++}`
      const [one, two] = [await open(place), await open(place)]
      await using([one, two], async () => {
        const starts = Array.from({ length: 12 }, (_, i) => start(i % 2 === 0 ? one : two, `worker-${i % 2}`))
        const trials = await Promise.all(starts)
        assert.deepEqual(
          trials.map(({ number }) => number).sort((a, b) => a - b),
          Array.from({ length: 12 }, (_, i) => i),
        )
        await one.finish(claimOf(trials[0]!), { state: 'complete', values: [7] })
        assert.deepEqual((await two.trials())[trials[0]!.number]!.values, [7])
        assert.deepEqual(await one.trials(), await two.trials())
      })
    })

    it("lets a dead worker's trials be run by others, each once", { skip: options.kill === undefined }, async () => {
      const place = `place-${places++}`
      const [doomed, other] = [await open(place), await open(place)]
      await using([other], async () => {
        const trial = await start(doomed, 'doomed')
        const alive = await start(other, 'alive')
        await options.kill!(doomed)
        await other.heartbeat('alive')
        const taken = await start(other, 'alive')
        assert.equal(taken.number, trial.number)
        assert.equal(taken.attempt, 2)
        assert.equal((await other.trials())[alive.number]!.owner, 'alive')
        assert.equal((await start(other, 'alive')).number, 2)
      })
    })

    it('gives up a trial whose workers die again and again', { skip: options.kill === undefined }, async () => {
      const place = `place-${places++}`
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        const doomed = await open(place)
        assert.equal((await start(doomed, `doomed-${attempt}`)).attempt, attempt)
        await options.kill!(doomed)
      }
      const last = await open(place)
      await using([last], async () => {
        assert.equal((await start(last)).number, 1)
        const [trial] = await last.trials()
        assert.equal(trial!.state, 'failed')
        assert.equal(trial!.failure!.kind, 'crash')
      })
    })
  })
}
