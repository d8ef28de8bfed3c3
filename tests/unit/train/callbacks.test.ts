import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSnapshot } from '../../../src/snapshot/index.ts'
import { pipelineConfigSchema, runPipeline } from '../../../src/phases/index.ts'
import {
  checkCallbacks,
  ControlFile,
  HaltPrompt,
  LearningRateAdjuster,
  runTraining,
  type AdjusterOptions,
  type Callback,
  type TrainingControl,
} from '../../../src/train/index.ts'
import type { EpochRecord } from '../../../src/tracking/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { loopOptions, loopParts, tintTask, weightSums } from './helpers.ts'

const usual: AdjusterOptions = { threshold: 0.9, patience: 1, factor: 0.5, dwell: true, stopPatience: 3 }

function record(epoch: number, accuracy: number | null, loss: number | null): EpochRecord {
  return {
    ...{ phase: 'tints', epoch, step: epoch, seconds: 1, lr: 1, train_loss: 9 - epoch, train_accuracy: accuracy },
    ...{ val_loss: loss, val_accuracy: null, images_per_second: 1 },
  }
}

/** Writes down what is done to the course. */
function recording(): { control: TrainingControl; done: string[] } {
  const done: string[] = []
  const control: TrainingControl = {
    learningRateScale: 1,
    scaleLearningRate: (factor) => void done.push(`× ${factor}`),
    restoreBest: () => Promise.resolve(done.push('restored') > 0),
    extend: (epochs) => void done.push(`+ ${epochs}`),
    stop: (reason) => void done.push(`stopped: ${reason}`),
  }
  return { control, done }
}

async function adjusted(
  options: Partial<AdjusterOptions>,
  epochs: readonly (readonly [accuracy: number | null, loss: number | null])[],
): Promise<string[]> {
  const adjuster = new LearningRateAdjuster({ ...usual, ...options }, silentLogger)
  const { control, done } = recording()
  const course: string[] = []
  for (const [index, [accuracy, loss]] of epochs.entries()) {
    const at = record(index + 1, accuracy, loss)
    const isBest = adjuster.isBest(at)
    await adjuster.onEpochEnd(at, control)
    course.push([isBest ? 'best' : 'worse', ...done.splice(0)].join(', '))
  }
  return course
}

test('lra › below the threshold the accuracy in training counts, above it the validation loss', async () => {
  const course = await adjusted({}, [
    [0.5, 2],
    [0.6, 3], // a worse loss does not matter yet
    [0.95, 1.5], // better than the lowest loss so far
    [0.99, 1.6],
    [0.8, 1], // below the threshold again: not above 0.99
  ])
  assert.deepEqual(course, ['best', 'best', 'best', 'worse, × 0.5, restored', 'worse, × 0.5, restored'])
})

test('lra › waits for patience, counts reductions anew after an improvement, and stops', async () => {
  const loss = (...values: number[]): [number, number][] => values.map((value) => [1, value])
  assert.deepEqual(await adjusted({ patience: 2, dwell: false, stopPatience: 2 }, loss(1, 2, 2, 0.5, 2, 2, 2, 2)), [
    ...['best', 'worse', 'worse, × 0.5', 'best', 'worse', 'worse, × 0.5', 'worse'],
    'worse, stopped: the loss did not improve after 1 reductions of the learning rate',
  ])
})

test('lra › without accuracies the loss counts, without a validation part that of training', async () => {
  assert.deepEqual(await adjusted({}, [[null, 1], [null, 2]]), ['best', 'worse, × 0.5, restored']) // prettier-ignore
  assert.deepEqual(await adjusted({}, [[null, null], [null, null]]), ['best', 'best']) // prettier-ignore
})

test('lra › a loss that is not finite is no best one, and leaves a state that can be saved', async () => {
  const course = await adjusted({ patience: 9 }, [[null, NaN], [null, 2], [null, Infinity], [null, 1], [null, 1.5]]) // prettier-ignore
  assert.deepEqual(course, ['worse', 'best', 'worse', 'best', 'worse'])
  for (const loss of [NaN, Infinity]) {
    const parts = await loopParts({ task: scripted([loss, loss]) })
    const adjuster = new LearningRateAdjuster({ ...usual, patience: 9 }, silentLogger)
    const options = { ...loopOptions, duration: { epochs: 2, steps: null } }
    assert.equal((await runTraining(options, { ...parts, callbacks: [adjuster] })).outcome, 'finished')
  }
})

/** A task whose validation loss is what is written, epoch by epoch. */
function scripted(losses: readonly number[]): ReturnType<typeof tintTask> {
  let epoch = 0
  return { ...tintTask(), validate: () => Promise.resolve({ loss: losses[epoch++] ?? NaN, accuracy: null }) }
}

test('lra › dwell puts back weights, average and optimizer of the best epoch, and the rate stays lowered', async () => {
  const parts = await loopParts({ ema: true, task: scripted([1, 0.5, 0.7, 0.4]) })
  const lra = new LearningRateAdjuster({ ...usual, threshold: 0 }, silentLogger)
  const rates: number[] = []
  const watch: Callback = { name: 'watch', onEpochEnd: ({ lr }) => void rates.push(lr) }
  const options = {
    ...loopOptions,
    duration: { epochs: 4, steps: null },
    warmup: { epochs: null, steps: 0 },
    schedule: { ...loopOptions.schedule, kind: 'constant' as const },
  }
  const keep = { ...parts, callbacks: [lra, watch] }
  await runTraining(options, keep)
  const at = (epoch: number): Record<string, string> => weightSums(join(parts.folder, 'snapshots', `epoch-000${epoch}`))
  assert.deepEqual(rates, [0.02, 0.02, 0.02, 0.01])
  // Epoch 2 made way for epoch 4, which is better: a run of two epochs ends with the same bits.
  const again = await loopParts({ ema: true, task: scripted([1, 0.5]) })
  const two = await runTraining({ ...options, duration: { epochs: 2, steps: null } }, again)
  assert.deepEqual(at(3), weightSums(two.best))
})

test('callbacks › what they change and keep goes on in a resumed run, bit by bit', async () => {
  const losses = [1, 2, 3, 0.5, 0.7, 0.6]
  const make = (): Callback[] => [new LearningRateAdjuster({ ...usual, threshold: 0, stopPatience: 9 }, silentLogger)]
  const options = { ...loopOptions, duration: { epochs: 6, steps: null } }
  const whole = await runTraining(options, { ...(await loopParts({ task: scripted(losses) })), callbacks: make() })
  const abort = new AbortController()
  const first = await loopParts({ task: scripted(losses) })
  const cut: Callback = { name: 'cut', onEpochEnd: ({ epoch }) => void (epoch === 3 && abort.abort()) }
  const stopped = await runTraining(options, { ...first, signal: abort.signal, callbacks: [...make(), cut] })
  assert.equal(stopped.state.epoch, 3)
  const second = await loopParts({ folder: first.folder, task: scripted(losses.slice(3)) })
  const resumeFrom = await readSnapshot(stopped.last)
  const resumed = await runTraining(options, { ...second, callbacks: make(), resumeFrom })
  assert.deepEqual(weightSums(resumed.last), weightSums(whole.last))
  const { learningRateScale } = (await readSnapshot(resumed.last)).state as { learningRateScale: number }
  assert.equal(learningRateScale, 0.5 ** 4)
})

test('callbacks › stop at a step closes the epoch well; the next phase may begin', async () => {
  const parts = await loopParts()
  const stop: Callback = {
    name: 'stop',
    onStepEnd: ({ step }, control) => (step === 7 ? control.stop('enough') : undefined),
  }
  const { outcome, state, last } = await runTraining(loopOptions, { ...parts, callbacks: [stop] })
  assert.deepEqual([outcome, state.finished, state.epoch, state.step], ['finished', true, 2, 7])
  assert.match(last, /epoch-0002$/)
})

test('callbacks › more epochs stretch the schedule; senseless orders are refused', async () => {
  const parts = await loopParts()
  const totals = new Set<number>()
  const refused: unknown[] = []
  const extend: Callback = {
    name: 'extend',
    onStepEnd: ({ totalSteps }) => void totals.add(totalSteps),
    onEpochEnd({ epoch }, control) {
      if (epoch === 1) control.extend(2)
      for (const order of [() => control.extend(0.5), () => control.scaleLearningRate(0)])
        assert.throws(order, (error) => refused.push(error) > 0 && error instanceof ConfigError)
    },
  }
  const { state } = await runTraining(loopOptions, { ...parts, callbacks: [extend] })
  assert.deepEqual([state.epoch, state.step, [...totals]], [5, 25, [15, 25]])
  assert.equal(refused.length, 10)
})

test('callbacks › what one throws ends the training', async () => {
  const failing: Callback = { name: 'failing', onStepEnd: () => Promise.reject(new Error('of the user’s own')) }
  await assert.rejects(runTraining(loopOptions, { ...(await loopParts()), callbacks: [failing] }), /of the user’s own/)
})

test('callbacks › a promise of isBest is waited for', async () => {
  const parts = await loopParts()
  const first: Callback = { name: 'first', isBest: ({ epoch }) => Promise.resolve(epoch === 1) }
  const none = { name: 'none', onStart() {}, isBest: undefined } as unknown as Callback
  const { state } = await runTraining(loopOptions, { ...parts, callbacks: [none, first] })
  assert.equal(state.best?.epoch, 1)
})

test('callbacks › a state that JSON does not hold is refused, with the place', async () => {
  for (const [state, words] of [
    [{ count: 1n }, /"keeping".*state\(\)\.count is a bigint/],
    [{ list: [1, NaN] }, /state\(\)\.list\.1 is NaN/],
    [new Map(), /state\(\) is a Map/],
    [Promise.resolve(1), /state\(\) is a Promise/],
  ] as const) {
    const keeping: Callback = { name: 'keeping', state: () => state }
    const refusal = (error: unknown): boolean => error instanceof ConfigError && words.test(error.message)
    await assert.rejects(runTraining(loopOptions, { ...(await loopParts()), callbacks: [keeping] }), refusal)
  }
})

test('ask_epoch › asks when it is time, takes a number or H, and asks again after anything else', async () => {
  const answers = ['2', 'what', '0', ' h ']
  const questions: string[] = []
  const prompt = new HaltPrompt(0, (question) => {
    questions.push(question)
    return Promise.resolve(answers.shift() ?? null)
  })
  prompt.onStart({ epochs: 9 })
  const { control, done } = recording()
  const asked: number[] = []
  for (let epoch = 1; epoch <= 3; epoch++) {
    await prompt.onEpochEnd(record(epoch, 1, 1), control)
    asked.push(questions.length)
  }
  assert.deepEqual(asked, [1, 1, 4])
  assert.match(questions[0] ?? '', /^tints: 1 epochs are done\. H halts, a number/)
  assert.match(questions[2] ?? '', /got "what"/)
  assert.deepEqual(done, ['stopped: halted at the prompt'])
})

test('ask_epoch › asks nobody when it is not below the epochs, or nobody answers', async () => {
  let count = 0
  const ask = (): Promise<null> => {
    count += 1
    return Promise.resolve(null)
  }
  const { control } = recording()
  const long = new HaltPrompt(5, ask)
  long.onStart({ epochs: 5 })
  await long.onEpochEnd(record(5, 1, 1), control)
  assert.equal(count, 0)
  const silent = new HaltPrompt(1, ask)
  silent.onStart({ epochs: 5 })
  for (const epoch of [1, 2]) await silent.onEpochEnd(record(epoch, 1, 1), control)
  assert.equal(count, 1)
})

test('control.json › is obeyed at the next step and removed; what it cannot be is put aside with a reason', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'trivium-control-')), 'control.json')
  const warnings: string[] = []
  const file = new ControlFile(path, { ...silentLogger, warn: (text: string) => void warnings.push(text) })
  const orders: Record<number, string> = {
    2: '{"extend": 1, "learning_rate_factor": 0.5}',
    4: '{"hold": true}',
    5: 'halt',
    8: '{"halt": true}',
  }
  const write: Callback = {
    name: 'write',
    onStepEnd: ({ step }) => (orders[step] === undefined ? undefined : writeFileSync(path, orders[step])),
  }
  const parts = await loopParts()
  const { state, last } = await runTraining(loopOptions, { ...parts, callbacks: [write, file] })
  assert.deepEqual([state.step, state.finished], [8, true])
  const saved = (await readSnapshot(last)).state as { learningRateScale: number; addedSteps: number }
  assert.deepEqual([saved.learningRateScale, saved.addedSteps], [0.5, 5])
  assert.equal(warnings.length, 2, warnings.join('\n'))
  assert.match(warnings[0] ?? '', /expected \{"halt": true\}.*hold/)
  assert.equal(readFileSync(`${path}.refused`, 'utf8'), 'halt')
  assert.ok(!existsSync(path))
})

test('callbacks › a hook with a slip in its name is refused with the one that is meant; other methods are not', () => {
  const check = (callback: object): void => void checkCallbacks([callback as Callback])
  const hook = (): void => undefined
  for (const [member, meant] of [
    ['onEpochDone', 'onEpochEnd'],
    ['onStepend', 'onStepEnd'],
    ['on_step_end', 'onStepEnd'],
    ['isbest', 'isBest'],
    ['restor', 'restore'],
    ['State', 'state'],
  ] as const)
    assert.throws(
      () => check({ name: 'mine', onStart: hook, [member]: hook }),
      (error: unknown) =>
        error instanceof ConfigError &&
        error.message.includes(`callback "mine": expected the hooks`) &&
        error.message.includes(`got ${member}, which is never called. Did you mean "${meant}"?`),
      member,
    )
  class Counter {
    readonly name = 'counter'
    stats = 0
    count(): void {
      this.stats++
    }
    onStepEnd(): void {
      this.count()
    }
    start(): void {}
    stop(): void {}
  }
  check(new Counter())
  check(new (class extends Counter {})())
  check({ name: 'keeps', state: hook, restore: hook, onEpochEnd: undefined })
  assert.throws(() => check({ name: 'mine', onStepEnd: 5 }), /"mine": expected onStepEnd to be a function, got number/)
  assert.throws(
    () => check({ name: 'mine', count: hook }),
    /"mine": expected one or more of onStart, .*got none of them/,
  )
  assert.throws(() => check({ onStepEnd: hook }), /expected objects with a name/)
  assert.throws(
    () =>
      check(
        new (class extends Counter {
          onEpochStart(): void {}
        })(),
      ),
    /got onEpochStart/,
  )
})

test('callbacks › a run with one that is misspelt is refused before its folders are made', async () => {
  const root = mkdtempSync(join(tmpdir(), 'trivium-callbacks-'))
  const config = pipelineConfigSchema.parse({ run: { directory: root }, data: { dataset: 'digits' } })
  const callbacks = [{ name: 'mine', onEpochDone() {} } as unknown as Callback]
  await assert.rejects(
    runPipeline(config, { phases: ['train'], callbacks }),
    /got onEpochDone.*Did you mean "onEpochEnd"/,
  )
  assert.deepEqual(readdirSync(root), [])
})
