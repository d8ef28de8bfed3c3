import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { readSnapshot } from '../../../src/snapshot/index.ts'
import { isBetter, runTraining, type Callback, type StepEvent, type Validation } from '../../../src/train/index.ts'
import { NonFiniteError } from '../../../src/util/errors.ts'
import { loopOptions, loopParts, tintTask, weightSums } from './helpers.ts'

test('loop › learns, and its history has one row an epoch', async () => {
  const parts = await loopParts({ ema: true })
  const { outcome, state } = await runTraining({ ...loopOptions, duration: { epochs: 8, steps: null } }, parts)
  assert.equal(outcome, 'finished')
  assert.deepEqual([state.epoch, state.step, state.finished], [8, 40, true])
  assert.ok((state.best?.accuracy ?? 0) >= 0.9, JSON.stringify(state.best))
  const rows = readFileSync(join(parts.logs, 'tints.csv'), 'utf8').trim().split('\n')
  assert.equal(rows[0], 'phase,epoch,step,seconds,lr,train_loss,train_accuracy,val_loss,val_accuracy,images_per_second')
  assert.equal(rows.length, 9)
  const losses = rows.slice(1).map((row) => Number(row.split(',')[5]))
  assert.ok(losses[7]! < losses[0]! / 2, losses.join())
})

test('loop › a budget in steps ends in the middle of an epoch', async () => {
  const parts = await loopParts()
  const { state, last } = await runTraining({ ...loopOptions, duration: { epochs: null, steps: 7 } }, parts)
  assert.deepEqual([state.step, state.epoch], [7, 2])
  assert.match(last, /epoch-0002$/)
})

test('loop › follows the schedule and counts its steps', async () => {
  const events: StepEvent[] = []
  const onStepEnd = (event: StepEvent): void => void events.push(event)
  const parts = { ...(await loopParts()), callbacks: [{ name: 'test', onStepEnd }] }
  await runTraining({ ...loopOptions, duration: { epochs: 2, steps: null } }, parts)
  assert.deepEqual(
    events.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  assert.deepEqual(
    events.map(({ epoch }) => epoch),
    [1, 1, 1, 1, 1, 2, 2, 2, 2, 2],
  )
  assert.equal(events[0]?.learningRate, 0.01)
  assert.equal(events[2]?.learningRate, 0.02)
  assert.ok(events[9]!.learningRate < 0.002)
})

test('loop › resumes bit by bit, wherever it was stopped', async () => {
  for (const optimizer of ['adamw', 'sgd'] as const) {
    for (const ema of [true, false]) {
      const options = { ...loopOptions, optimizer: { ...loopOptions.optimizer, optimizer } }
      const whole = await runTraining(options, await loopParts({ ema }))
      for (const stopAt of [1, 5, 8]) {
        const abort = new AbortController()
        const first = await loopParts({ ema })
        const onStepEnd = ({ step }: StepEvent): void => {
          if (step === stopAt) abort.abort()
        }
        const stopped = await runTraining(options, {
          ...first,
          signal: abort.signal,
          callbacks: [{ name: 'test', onStepEnd }],
        })
        assert.equal(stopped.outcome, 'interrupted')
        assert.equal(stopped.state.step, stopAt)
        const resumeFrom = await readSnapshot(stopped.last)
        const resumed = await runTraining(options, { ...(await loopParts({ ema, folder: first.folder })), resumeFrom })
        const what = `${optimizer}, ema ${ema}, stopped at ${stopAt}`
        assert.deepEqual(weightSums(resumed.last), weightSums(whole.last), what)
        assert.deepEqual(resumed.state.best, whole.state.best, what)
        const rows = readFileSync(join(first.logs, 'tints.csv'), 'utf8').trim().split('\n')
        assert.equal(rows.length, 4, what)
      }
    }
  }
})

test('loop › snapshots inside an epoch come by time, and a run goes on from one bit by bit', async () => {
  const whole = await runTraining(loopOptions, await loopParts({ ema: true }))
  const parts = await loopParts({ ema: true })
  const snapshots: string[] = []
  const watch: Callback = {
    name: 'watch',
    async onStepEnd({ step }) {
      const last = await parts.store.pointer('last')
      if (step === 9) cpSync(String(last), join(parts.folder, 'inside'), { recursive: true })
      snapshots.push(last === null ? '' : basename(last))
    },
  }
  await runTraining({ ...loopOptions, snapshotMinutes: 1e-9 }, { ...parts, callbacks: [watch] })
  assert.deepEqual(snapshots.slice(0, 7), [
    ...['', 'epoch-0000-step-0000001', 'epoch-0000-step-0000002', 'epoch-0000-step-0000003', 'epoch-0000-step-0000004'],
    ...['epoch-0001', 'epoch-0001-step-0000006'],
  ])
  const resumeFrom = await readSnapshot(join(parts.folder, 'inside'))
  const resumed = await runTraining(loopOptions, { ...(await loopParts({ ema: true })), resumeFrom })
  assert.equal((resumeFrom.state as { step: number }).step, 8)
  assert.deepEqual(weightSums(resumed.last), weightSums(whole.last))
})

test('loop › a signal that came before the first step still leaves a usable snapshot', async () => {
  const abort = new AbortController()
  abort.abort()
  const { outcome, last } = await runTraining(loopOptions, { ...(await loopParts()), signal: abort.signal })
  assert.equal(outcome, 'interrupted')
  assert.deepEqual((await readSnapshot(last)).parts, ['backbone', 'head', 'optimizer'])
})

test('loop › where there is no snapshot yet, a NaN loss does not speak of going on', async () => {
  const task = tintTask()
  const broken = {
    ...task,
    compute: async (...args: Parameters<typeof task.compute>) => {
      const output = await task.compute(...args)
      return { ...output, loss: torch.ops.mul(output.loss, NaN) }
    },
  }
  await assert.rejects(runTraining(loopOptions, await loopParts({ task: broken })), (error: unknown) => {
    assert.ok(error instanceof NonFiniteError)
    assert.match(
      error.message,
      /No snapshot was written yet\..*begin this phase again, which is what --resume does without a snapshot\.$/,
    )
    assert.doesNotMatch(error.message, /go on/)
    return true
  })
})

test('loop › a NaN loss stops it, names step, last finite loss and kept snapshot, and reaches no weight', async () => {
  const task = tintTask()
  let computed = 0
  const broken = {
    ...task,
    compute: async (...args: Parameters<typeof task.compute>) => {
      const output = await task.compute(...args)
      return ++computed === 8 ? { ...output, loss: torch.ops.mul(output.loss, NaN) } : output
    },
  }
  const parts = await loopParts({ task: broken })
  await assert.rejects(runTraining(loopOptions, parts), (error: unknown) => {
    assert.ok(error instanceof NonFiniteError)
    assert.match(
      error.message,
      /^tints loss became NaN at step 8 \(epoch 2\); last finite loss [\d.]+ at step 7\..*Snapshot kept: .*epoch-0001.*go on with --resume\.$/,
    )
    return true
  })
  const finite = torch.scope(() =>
    [...parts.networks.backbone.stateDict().values()].every((t) => t.toArray().every(Number.isFinite)),
  )
  assert.ok(finite)
  const { state } = await readSnapshot(join(parts.folder, 'snapshots'))
  assert.equal((state as { step: number }).step, 5)
})

test('loop › an infinite gradient stops it although the loss is finite', async () => {
  const task = tintTask()
  const broken = {
    ...task,
    compute: async (...args: Parameters<typeof task.compute>) => {
      const { loss, ...output } = await task.compute(...args)
      // the square root of 0 has the value 0 and an infinite slope
      return { ...output, loss: torch.ops.sqrt(torch.ops.mul(loss, 0)) }
    },
  }
  const parts = await loopParts({ task: broken })
  await assert.rejects(runTraining(loopOptions, parts), /tints gradient norm became (NaN|infinite) at step 1/)
})

test('loop › clips the global gradient norm', async () => {
  const norms: number[] = []
  const parts = await loopParts()
  const before = torch.scope(() => [...parts.networks.head.stateDict().values()].flatMap((t) => t.toArray()))
  const backboneBefore = torch.scope(() =>
    [...parts.networks.backbone.namedParameters().values()].flatMap((t) => t.toArray()),
  )
  const sgd = { ...loopOptions.optimizer, optimizer: 'sgd' as const, momentum: 0, weightDecay: 0 }
  await runTraining(
    {
      ...loopOptions,
      optimizer: sgd,
      gradClip: 0.01,
      duration: { epochs: null, steps: 1 },
      warmup: { epochs: null, steps: null },
      schedule: { kind: 'constant', learningRate: 1, finalFraction: 0 },
    },
    { ...parts, callbacks: [{ name: 'test', onStepEnd: ({ gradientNorm }) => void norms.push(gradientNorm) }] },
  )
  assert.ok(norms[0]! > 0.01)
  const after = torch.scope(() => [...parts.networks.head.stateDict().values()].flatMap((t) => t.toArray()))
  const backboneAfter = torch.scope(() =>
    [...parts.networks.backbone.namedParameters().values()].flatMap((t) => t.toArray()),
  )
  const moved = Math.hypot(
    ...after.map((value, i) => value - before[i]!),
    ...backboneAfter.map((value, i) => value - backboneBefore[i]!),
  )
  assert.ok(Math.abs(moved - 0.01) < 1e-4, `moved ${moved}`)
})

function scripted(results: readonly Validation[]): ReturnType<typeof tintTask> {
  let epoch = 0
  return { ...tintTask(), validate: () => Promise.resolve(results[epoch++] ?? { loss: 9, accuracy: 0 }) }
}

test('loop › stops after `patience` epochs without improvement; best stays on the best epoch', async () => {
  const accuracies = [0.5, 0.8, 0.7, 0.8, 0.6, 0.9]
  const parts = await loopParts({ task: scripted(accuracies.map((accuracy) => ({ accuracy, loss: 1 }))) })
  const options = { ...loopOptions, duration: { epochs: 6, steps: null }, patience: 3 }
  const { state, best } = await runTraining(options, parts)
  assert.deepEqual([state.epoch, state.best?.epoch, state.finished], [5, 2, true])
  assert.equal(((await readSnapshot(best)).state as { epoch: number }).epoch, 2)
})

test('loop › writes only every n-th snapshot, but always the best and the last', async () => {
  const accuracies = [0.9, 0.1, 0.1, 0.1, 0.1]
  const parts = await loopParts({ task: scripted(accuracies.map((accuracy) => ({ accuracy, loss: 1 }))) })
  await runTraining({ ...loopOptions, duration: { epochs: 5, steps: null }, snapshotEvery: 3 }, parts)
  assert.deepEqual(readdirSync(join(parts.folder, 'snapshots')).sort(), [
    'best',
    'epoch-0001',
    'epoch-0003',
    'epoch-0005',
    'last',
  ])
})

test('loop › without validation the newest snapshot is the best', async () => {
  const parts = await loopParts({ task: { ...tintTask(), validate: null } })
  const { best, last } = await runTraining({ ...loopOptions, patience: 1 }, parts)
  assert.equal((await readSnapshot(best)).path, (await readSnapshot(last)).path)
  assert.match((await readSnapshot(best)).path, /epoch-0003$/)
})

test('loop › says which epoch is the last, at the end of the budget and when it stops early', async () => {
  const told: boolean[][] = []
  for (const patience of [null, 1]) {
    const last: boolean[] = []
    const parts = await loopParts({ task: scripted([0.5, 0.4, 0.3].map((accuracy) => ({ accuracy, loss: 1 }))) })
    const onEpochClosed = (_: unknown, isLast: boolean): void => void last.push(isLast)
    await runTraining({ ...loopOptions, patience }, { ...parts, callbacks: [{ name: 'test', onEpochClosed }] })
    told.push(last)
  }
  assert.deepEqual(told, [
    [false, false, true],
    [false, true],
  ])
})

test('loop › holds no more tensors after many steps than after few', async () => {
  const live: number[] = []
  const parts = await loopParts({ ema: true })
  await runTraining(
    { ...loopOptions, duration: { epochs: 12, steps: null } },
    { ...parts, callbacks: [{ name: 'test', onEpochEnd: () => void live.push(torch.liveTensors()) }] },
  )
  assert.equal(live[11], live[1], live.join())
})

test('best epoch › the loss breaks ties of accuracy, and is what counts when it is monitored', () => {
  const better = (a: Validation, b: Validation, monitor: 'accuracy' | 'loss' = 'accuracy'): boolean =>
    isBetter(a, b, monitor)
  assert.ok(better({ accuracy: 0.9, loss: 2 }, { accuracy: 0.8, loss: 1 }))
  assert.ok(!better({ accuracy: 0.9, loss: 2 }, { accuracy: 0.8, loss: 1 }, 'loss'))
  assert.ok(better({ accuracy: 1, loss: 0.1 }, { accuracy: 1, loss: 0.2 }))
  assert.ok(!better({ accuracy: 1, loss: 0.2 }, { accuracy: 1, loss: 0.2 }))
  assert.ok(better({ accuracy: null, loss: 1 }, { accuracy: null, loss: 2 }))
  assert.ok(isBetter({ accuracy: null, loss: null }, null, 'accuracy'))
  for (const loss of [NaN, Infinity, null])
    for (const monitor of ['accuracy', 'loss'] as const) {
      assert.ok(better({ accuracy: null, loss: 9 }, { accuracy: null, loss }, monitor), `9 after ${loss}`)
      assert.ok(!better({ accuracy: null, loss }, { accuracy: null, loss: 9 }, monitor), `${loss} after 9`)
      assert.ok(!better({ accuracy: null, loss }, { accuracy: null, loss }, monitor))
    }
})

test('history › the file exists from the first epoch on', async () => {
  const parts = await loopParts()
  let seen = false
  await runTraining(
    { ...loopOptions, duration: { epochs: 1, steps: null } },
    {
      ...parts,
      callbacks: [{ name: 'test', onEpochEnd: () => void (seen = existsSync(join(parts.logs, 'tints.csv'))) }],
    },
  )
  assert.ok(seen)
})
