/** NaN, infinity and memory that does not suffice: what breaks is named, and training goes on as it was told to. */
import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import type { Batch, Loader } from '../../../src/data/index.ts'
import { readSnapshot, type Snapshot } from '../../../src/snapshot/index.ts'
import {
  runTraining,
  trainWithRewinds,
  type Callback,
  type LoopOptions,
  type LoopResult,
  type TrainingTask,
} from '../../../src/train/index.ts'
import { BindingError, NonFiniteError } from '../../../src/util/errors.ts'
import type { Logger } from '../../../src/util/logger.ts'
import { silentLogger } from '../../../src/util/logger.ts'
import { loopOptions, loopParts, tintTask, weightSums } from './helpers.ts'

const skip: LoopOptions = { ...loopOptions, nonFinite: { policy: 'skip', limit: 50, lrFactor: 1 } }
const rewind: LoopOptions = { ...loopOptions, nonFinite: { policy: 'rewind', limit: 3, lrFactor: 0.5 } }

type Fault = (output: Tensor, batch: Batch) => Tensor

/** A task whose loss goes through `fault` in the epoch (from 0) and with the batch that `where` picks, whenever it is computed. */
function faulty(where: (batch: Batch) => boolean, fault: Fault): TrainingTask {
  const task = tintTask()
  return {
    ...task,
    async compute(networks, batch) {
      const output = await task.compute(networks, batch)
      return where(batch) ? { ...output, loss: fault(output.loss, batch) } : output
    },
  }
}

const nan: Fault = (loss) => torch.ops.mul(loss, NaN)
/** finite, with an infinite slope */
const steep: Fault = (loss) => torch.ops.add(loss, torch.ops.sqrt(torch.ops.mul(loss, 0)))

/** The n-th batch (from 0) of an epoch, told by its first sample. */
async function nthBatch(epoch: number, n: number): Promise<(batch: Batch) => boolean> {
  const { loader } = await loopParts()
  let first = -1
  for await (const batch of loader.epoch(epoch, n)) {
    if (first === -1) first = batch.ids[0] ?? -1
    batch.dispose()
    break
  }
  return (batch) => batch.epoch === epoch && batch.ids[0] === first
}

function recording(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const note = (text: string): void => void lines.push(text)
  const logger: Logger = { ...silentLogger, warn: note, info: note }
  return { logger, lines }
}

const steps = (seen: number[]): Callback => ({ name: 'seen', onStepEnd: ({ step }) => void seen.push(step) })

async function run(
  options: LoopOptions,
  task: TrainingTask,
  more: { folder?: string; from?: Snapshot | null; stopAt?: number; logger?: Logger; callbacks?: Callback[] } = {},
): Promise<LoopResult & { folder: string }> {
  const folder = more.folder ?? mkdtempSync(join(tmpdir(), 'trivium-survival-'))
  const abort = new AbortController()
  const stop: Callback = { name: 'stop', onStepEnd: ({ step }) => (step === more.stopAt ? abort.abort() : undefined) }
  const result = await trainWithRewinds(more.from ?? null, async (beginning) =>
    runTraining(options, {
      ...(await loopParts({ ema: true, folder, task })),
      logger: more.logger ?? silentLogger,
      signal: abort.signal,
      callbacks: [stop, ...(more.callbacks ?? [])],
      ...beginning,
    }),
  )
  return { ...result, folder }
}

test('non-finite › the message names the part of the loss, or the parameter nearest to the loss with its group', async () => {
  const where = await nthBatch(1, 2)
  const parts: TrainingTask = {
    ...tintTask(),
    async compute(networks, batch) {
      const output = await tintTask().compute(networks, batch)
      return where(batch)
        ? { ...output, loss: nan(output.loss, batch), parts: { kd: NaN, labels: 0.5 } }
        : { ...output, parts: { kd: 0.1, labels: 0.5 } }
    },
  }
  await assert.rejects(run(loopOptions, parts), (error: unknown) => {
    assert.ok(error instanceof NonFiniteError)
    assert.match(
      error.message,
      /^tints loss became NaN at step 8 \(epoch 2\); last finite loss .* at step 7; of its parts, kd is NaN\./,
    )
    assert.match(error.message, /Snapshot kept: .*epoch-0001/)
    return true
  })
  await assert.rejects(
    run(loopOptions, faulty(where, steep)),
    /gradient norm became NaN at step 8 \(epoch 2\); .*the gradient of head\.fc\.bias \(group \d+: lr × 1, weight decay 0\) is not finite, then those of head\.fc\.weight, /,
  )
  const input: TrainingTask = {
    ...tintTask(),
    compute: (networks, batch) =>
      tintTask().compute(networks, where(batch) ? { ...batch, images: torch.ops.mul(batch.images, NaN) } : batch),
  }
  await assert.rejects(run(loopOptions, input), /loss became NaN at step 8/)
})

test('skip › a step that breaks leaves no trace, is counted and logged, with SAM, accumulation and float16 too', async () => {
  const cases: Record<string, Partial<LoopOptions>> = {
    plain: {},
    'sam and lookahead': { sam: { rho: 0.05, adaptive: false, eta: 0 }, lookahead: { k: 2, alpha: 0.5 } },
    accumulation: { accumulation: 2 },
    float16: { precision: 'float16' },
  }
  for (const [what, changes] of Object.entries(cases)) {
    for (const fault of [nan, steep]) {
      const options = { ...skip, ...changes }
      const at = options.accumulation === 2 ? 5 : 8
      const task = faulty(await nthBatch(1, 2), fault)
      const { logger, lines } = recording()
      let before: unknown = null
      let after: unknown = null
      const parts = { ...(await loopParts({ ema: true, task })), logger }
      const values = (): unknown =>
        torch.scope(() =>
          [...parts.networks.backbone.stateDict(), ...parts.networks.head.stateDict()].map(([, t]) => t.toArray()),
        )
      const watch: Callback = {
        name: 'watch',
        onStepEnd({ step }) {
          if (step === at - 1) before = values()
          if (step === at) after = values()
        },
      }
      const { state } = await runTraining(options, { ...parts, callbacks: [watch] })
      assert.deepEqual(after, before, what)
      assert.equal(state.updates, state.step - 1, what)
      // Of float16 the loss scaler takes care, and counts by itself.
      const isScaled = changes.precision === 'float16'
      assert.deepEqual(
        [state.skipped, state.scaler.scale],
        [{ inRow: 0, total: isScaled ? 0 : 1 }, isScaled ? 32768 : 65536],
        what,
      )
      const told = lines.some((line) => line.includes(`at step ${at} `) && /is left out \(1 in a row\)/.test(line))
      assert.equal(told, !isScaled, what)
    }
  }
})

test('skip › an input that is not finite is named, and does not stay in the batch norms', async () => {
  const where = await nthBatch(1, 2)
  const { logger, lines } = recording()
  const parts = await loopParts({ ema: true })
  const { loader } = parts
  const broken = {
    batchesPerEpoch: loader.batchesPerEpoch,
    batchSize: loader.batchSize,
    dataset: loader.dataset,
    async *epoch(epoch: number, start?: number) {
      for await (const batch of loader.epoch(epoch, start))
        yield where(batch) ? { ...batch, images: torch.ops.mul(batch.images, Infinity) } : batch
    },
  } as unknown as Loader
  const { state, last } = await runTraining(skip, { ...parts, loader: broken, logger })
  assert.deepEqual([state.skipped.total, state.finished], [1, true])
  assert.ok(
    lines.some((line) => /became NaN at step 8 .*images of the batch are not finite/.test(line)),
    lines.join(),
  )
  const snapshot = await readSnapshot(last)
  for (const part of snapshot.parts)
    for (const [name, tensor] of await snapshot.load(part))
      assert.ok(tensor.dtype === 'int64' || tensor.toArray().every(Number.isFinite), `${part}.${name}`)
})

test('skip › ends after as many steps in a row as it allows, with a finite snapshot', async () => {
  const task = faulty(({ epoch }) => epoch > 0, nan)
  const options: LoopOptions = { ...skip, nonFinite: { policy: 'skip', limit: 3, lrFactor: 1 } }
  const folder = mkdtempSync(join(tmpdir(), 'trivium-survival-'))
  await assert.rejects(
    run(options, task, { folder }),
    /loss became NaN at step 8 .*3 steps in a row were left out, as many as non_finite allows.*Snapshot kept: .*epoch-0001/,
  )
  const kept = await readSnapshot(join(folder, 'snapshots', 'last'))
  assert.equal((kept.state as { step: number }).step, 5)
})

test('rewind › goes back to the epoch’s end with a lower rate, leaves the step out, and resumes bit by bit', async () => {
  const cases: Record<string, Partial<LoopOptions>> = {
    plain: {},
    'sam, lookahead and accumulation': {
      sam: { rho: 0.05, adaptive: false, eta: 0 },
      lookahead: { k: 2, alpha: 0.5 },
      accumulation: 2,
    },
  }
  for (const [what, changes] of Object.entries(cases)) {
    const options = { ...rewind, ...changes }
    const task = faulty(await nthBatch(1, 2), nan)
    const seen: number[] = []
    const { logger, lines } = recording()
    const whole = await run(options, task, { logger, callbacks: [steps(seen)] })
    const [at, first] = options.accumulation === 2 ? [5, 4] : [8, 6]
    assert.deepEqual([whole.state.rewinds, whole.state.learningRateScale, whole.outcome], [[at], 0.5, 'finished'], what)
    assert.deepEqual(seen.slice(at - 1, at + 1), [first, ...(first + 1 === at ? [at + 1] : [first + 1])], what)
    assert.ok(!seen.includes(at), what)
    assert.ok(
      lines.some((line) => /Going back to .*epoch-0001 with 0\.5 times/.test(line)),
      what,
    )
    for (const stopAt of [at - 1, at + 1]) {
      const stopped = await run(options, task, { stopAt })
      assert.deepEqual([stopped.outcome, stopped.state.step], ['interrupted', stopAt], what)
      const from = await readSnapshot(stopped.last)
      const resumed = await run(options, task, { folder: stopped.folder, from })
      assert.deepEqual(weightSums(resumed.last), weightSums(whole.last), `${what}, stopped at ${stopAt}`)
    }
  }
})

test('rewind › goes back over a thaw, and the frozen part thaws again at its epoch', async () => {
  // Thawed for the second epoch, which breaks: back to the snapshot of the frozen ones.
  const task = faulty(await nthBatch(1, 2), nan)
  const train = async (options: LoopOptions, of: TrainingTask, folder: string): Promise<LoopResult> =>
    trainWithRewinds(null, async (beginning) => {
      const parts = await loopParts({ ema: true, folder, task: of })
      const names = await parts.networks.backbone.freeze(3, [])
      const thaw = { afterEpochs: 1, run: () => parts.networks.backbone.setTrainable(names, true) }
      return runTraining(options, { ...parts, thaw, ...beginning })
    })
  const folder = (): string => mkdtempSync(join(tmpdir(), 'trivium-survival-'))
  const { state, last, outcome } = await train(rewind, task, folder())
  assert.deepEqual([outcome, state.rewinds, state.learningRateScale], ['finished', [8], 0.5])
  const snapshot = await readSnapshot(last)
  const steps = await torch.scope(async () =>
    [...(await snapshot.load('optimizer'))].flatMap(([name, tensor]) => (name === 'step' ? tensor.toArray() : [])),
  )
  // Fourteen updates of fifteen steps for what was trained all along, nine for what was thawed.
  assert.deepEqual(new Set(steps), new Set([14, 9]))
  // What broke has left no trace in the frozen part: the same run with the same step left out, without a fault.
  const again = await train(rewind, task, folder())
  assert.deepEqual(weightSums(again.last), weightSums(last))
})

test('rewind › when the loss scaler gives up, training goes back to before the overflows, with the scale of then', async () => {
  const options: LoopOptions = {
    ...rewind,
    precision: 'float16',
    duration: { epochs: 6, steps: null },
    nonFinite: { policy: 'rewind', limit: 1, lrFactor: 0.5 },
  }
  let starts = 0
  const task = faulty(({ epoch }) => starts === 1 && epoch >= 1, steep)
  const watch: Callback = { name: 'watch', onStart: () => void starts++ }
  const { logger, lines } = recording()
  const { state, outcome } = await run(options, task, { logger, callbacks: [watch] })
  const told = lines.filter((line) => line.includes('Going back to'))
  assert.equal(told.length, 1, told.join())
  // Snapshots of later epochs have the same weights, and a scale that is nearly used up.
  assert.match(told[0] ?? '', /the loss scale fell to 0\.5, below 1 .*Going back to .*epoch-0001 with 0\.5 times/)
  assert.deepEqual(
    [outcome, state.rewinds, state.learningRateScale, state.scaler.scale],
    ['finished', [22], 0.5, 65536],
  )
  assert.equal(starts, 2)
  const abort: LoopOptions = { ...options, nonFinite: { policy: 'abort', limit: 0, lrFactor: 1 } }
  await assert.rejects(
    run(
      abort,
      faulty(({ epoch }) => epoch >= 1, steep),
    ),
    /the loss scale fell to 0\.5/,
  )
})

test('rewind › before the first epoch is over it goes back to the beginning; only so often', async () => {
  const task = faulty(({ epoch }) => epoch === 0, steep)
  const folder = mkdtempSync(join(tmpdir(), 'trivium-survival-'))
  await assert.rejects(run(rewind, task, { folder }), /at step 4 .*Training went back 3 times before/)
  assert.equal(basename((await readSnapshot(join(folder, 'snapshots', 'last'))).path), 'epoch-0000')
})

test('snapshot › weights that are not finite are never saved', async () => {
  const { folder, ...parts } = await loopParts()
  const poison: Callback = {
    name: 'poison',
    async onStepEnd({ step }) {
      if (step !== 10) return
      const broken = new Map(
        [...parts.networks.head.stateDict()].map(([name, t]) => [name, torch.ops.mul(t, Infinity)]),
      )
      await parts.networks.head.loadStateDict(broken)
    },
  }
  await assert.rejects(
    runTraining(loopOptions, { ...parts, callbacks: [poison] }),
    /after step 10 \(epoch 2\) of the weights head\.fc\.\w+, head\.fc\.\w+ are not finite, so that no snapshot.*Snapshot kept: .*epoch-0001/,
  )
  assert.equal(((await readSnapshot(join(folder, 'snapshots', 'last'))).state as { step: number }).step, 5)
})

/** Memory for so many images. */
function narrow(most: number, sizes: number[] = []): TrainingTask {
  const task = tintTask()
  return {
    ...task,
    async compute(networks, batch) {
      const output = await task.compute(networks, batch)
      if (batch.size > most)
        throw new BindingError('CUDA out of memory. Tried to allocate 2.00 GiB.', { reason: 'out of memory' })
      sizes.push(batch.size)
      return output
    },
  }
}

test('micro batch › pieces have the gradient of the batch, whatever their size', async () => {
  const one: LoopOptions = {
    ...loopOptions,
    optimizer: { ...loopOptions.optimizer, optimizer: 'sgd', momentum: 0 },
    duration: { epochs: null, steps: 1 },
    warmup: { epochs: null, steps: null },
  }
  const gradients: number[] = []
  const losses: number[] = []
  // In evaluation mode batch norms are the same whatever they see.
  const task: TrainingTask = {
    ...tintTask(),
    compute(networks, batch) {
      networks.backbone.train(false)
      return tintTask().compute(networks, batch)
    },
  }
  for (const microBatch of [null, 12, 5, 1]) {
    const note: Callback = {
      name: 'note',
      onStepEnd({ gradientNorm, loss }) {
        gradients.push(gradientNorm)
        losses.push(loss)
      },
    }
    await run({ ...one, microBatch }, task, { callbacks: [note] })
  }
  for (const value of gradients) assert.ok(Math.abs(value / gradients[0]! - 1) < 1e-5, gradients.join())
  for (const value of losses) assert.ok(Math.abs(value / losses[0]! - 1) < 1e-6, losses.join())
})

test('micro batch › auto halves the pieces until they fit, keeps what it found, and resumes bit by bit', async () => {
  const options: LoopOptions = { ...loopOptions, microBatch: 'auto' }
  const sizes: number[] = []
  const { logger, lines } = recording()
  const whole = await run(options, narrow(3, sizes), { logger })
  assert.equal(whole.state.microBatch, 3)
  assert.ok(
    sizes.every((size) => size === 3),
    sizes.join(),
  )
  assert.match(
    lines[0] ?? '',
    /out of memory at step 1 \(epoch 1\), with 12 × 3 × 8 × 8 images at once on cpu.*Going on with 6/,
  )
  const pieces = await run({ ...loopOptions, microBatch: 3 }, narrow(3))
  assert.deepEqual(weightSums(pieces.last), weightSums(whole.last), 'what failed left no trace')
  const stopped = await run(options, narrow(3), { stopAt: 7 })
  const resumed = await run(options, narrow(3), { folder: stopped.folder, from: await readSnapshot(stopped.last) })
  assert.deepEqual(weightSums(resumed.last), weightSums(whole.last))
})

test('micro batch › without it, and where a single image does not fit, the error has the numbers and the remedy', async () => {
  await assert.rejects(run(loopOptions, narrow(3)), (error: unknown) => {
    assert.ok(error instanceof BindingError && error.reason === 'out of memory')
    assert.match(
      error.message,
      /^tints: out of memory at step 1 .*Set micro_batch: 6, or auto.*Tried to allocate 2\.00 GiB/,
    )
    return true
  })
  await assert.rejects(
    run({ ...loopOptions, microBatch: 'auto' }, narrow(0)),
    /with 1 × 3 × 8 × 8 images at once .*A single image does not fit/,
  )
})

test('micro batch › a batch that there is no memory to prepare is said so, with the numbers and the remedy', async () => {
  const parts = await loopParts()
  const { loader } = parts
  const short = {
    ...parts,
    loader: {
      batchSize: loader.batchSize,
      batchesPerEpoch: loader.batchesPerEpoch,
      async *epoch(epoch: number, start?: number) {
        let given = 0
        for await (const batch of loader.epoch(epoch, start)) {
          if (given++ === 2) {
            batch.dispose()
            throw new RangeError('Array buffer allocation failed')
          }
          yield batch
        }
      },
    } as unknown as typeof loader,
  }
  await assert.rejects(runTraining(loopOptions, short), (error: unknown) => {
    assert.ok(error instanceof BindingError && error.reason === 'out of memory')
    assert.match(
      error.message,
      /^tints: out of memory while a batch was prepared; the process holds .* GB .*Lower batch_size .*\(Array buffer/,
    )
    return true
  })
})
