/** When passes are captured, replayed and captured again, what they are fed with, and that a training through them is the same training. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emaUpdate, torch, type Tensor } from '../../../src/binding/index.ts'
import { Loader, randomSampler } from '../../../src/data/index.ts'
import { evaluationPlan } from '../../../src/augment/index.ts'
import { crossEntropyLoss } from '../../../src/losses/index.ts'
import { readSnapshot } from '../../../src/snapshot/index.ts'
import {
  forwardNetworks,
  runTraining,
  type LoopOptions,
  type LoopParts,
  type LoopResult,
  type StepEvent,
  type TrainingTask,
} from '../../../src/train/index.ts'
import { BindingError } from '../../../src/util/errors.ts'
import { counted, RecordedPass, type Call } from '../../support/recorded-pass.ts'
import { loopOptions, loopParts, tintedNoise, tintTask } from './helpers.ts'

type Changes = Partial<LoopParts>

/** A training of fresh networks, with what each step told. */
async function train(
  options: LoopOptions,
  { calls = null, task, ...changes }: Changes & { readonly calls?: Call[] | null } = {},
): Promise<LoopResult & { events: StepEvent[] }> {
  const events: StepEvent[] = []
  const parts = await loopParts({ ema: true, ...(task === undefined ? {} : { task }) })
  const result = await runTraining(options, {
    ...parts,
    callbacks: [{ name: 'events', onStepEnd: (event) => void events.push(event) }],
    graphs: calls === null ? null : () => new RecordedPass(calls),
    ...changes,
  })
  return { ...result, events }
}

/** Everything that the last snapshot holds. A gradient of −0 is one of 0 where gradients are kept. */
async function tensorsOf({ last }: LoopResult): Promise<Map<string, number[]>> {
  const snapshot = await readSnapshot(last)
  const all = new Map<string, number[]>()
  for (const part of snapshot.parts)
    for (const [name, tensor] of await torch.scope(() => snapshot.load(part)))
      all.set(
        `${part}.${name}`,
        tensor.toArray().map((value) => value + 0),
      )
  return all
}

async function sameTraining(
  options: LoopOptions,
  changes: () => Promise<Changes> | Changes,
  calls: Call[],
): Promise<void> {
  const eager = await train(options, await changes())
  const captured = await train(options, { ...(await changes()), calls })
  assert.deepEqual(captured.events, eager.events)
  assert.deepEqual(await tensorsOf(captured), await tensorsOf(eager))
  assert.deepEqual({ ...captured.state, sums: 0 }, { ...eager.state, sums: 0 })
}

/** tintTask with dropout, a part and a count. */
function toldTask(): TrainingTask {
  return {
    ...tintTask(),
    async compute(networks, batch) {
      const { ops } = torch
      const { features } = await forwardNetworks(networks, batch.images, 'float32')
      const dropped = torch.call('aten::dropout', features, 0.3, true) as Tensor
      const outputs = await networks.head.forward(dropped)
      const loss = crossEntropyLoss(outputs, batch.labels, { labelSmoothing: 0 })
      return {
        loss,
        parts: { logits: ops.mean(outputs) },
        correct: ops.sum(ops.eq(ops.argmax(outputs, 1), batch.labels)),
      }
    },
  }
}

const adam = loopOptions.optimizer
const sam = { rho: 0.5, adaptive: false, eta: 0 }

test('captured pass › with every tool, training through it is the same training', async () => {
  const cases: Record<string, [changes: Partial<LoopOptions>, passes: number]> = {
    plain: [{}, 15],
    'sgd with momentum': [{ optimizer: { ...adam, optimizer: 'sgd', momentum: 0.9, beta1: null, beta2: null } }, 15],
    sam: [{ sam }, 30],
    'asam, lookahead and accumulation': [
      {
        sam: { rho: 0.5, adaptive: true, eta: 0.01 },
        lookahead: { k: 3, alpha: 0.5 },
        accumulation: 2,
        optimizer: { ...adam, gradientCentralization: 'all' },
        gradClip: 0.5,
        gradClipMode: 'adaptive',
      },
      30,
    ],
    'float16, whose scale changes': [{ precision: 'float16', lookahead: { k: 3, alpha: 0.5 } }, 15],
    'swa with muon': [
      { swa: { start: 0.3, lrFraction: 0.5, statisticsBatches: 3 }, optimizer: { ...adam, optimizer: 'muon' } },
      15,
    ],
  }
  for (const [what, [changes, passes]] of Object.entries(cases)) {
    const calls: Call[] = []
    await sameTraining({ ...loopOptions, ...changes }, () => ({ task: toldTask() }), calls)
    assert.deepEqual(counted(calls), { 'warm up': 3, capture: 1, replay: passes - 3, dispose: 1 }, what)
    assert.deepEqual(calls.slice(0, 5), ['warm up', 'warm up', 'warm up', 'capture', 'replay'], what)
  }
})

test('captured pass › a last batch of another size is a pass of its own', async () => {
  const calls: Call[] = []
  const dataset = tintedNoise(28, 7)
  const geometry = { imageSize: 8, inputHeight: 8, inputWidth: 8, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] }
  const changes = (): Changes => ({
    loader: new Loader({ dataset, sampler: randomSampler(dataset, 5), plan: evaluationPlan(geometry), batchSize: 12 }),
  })
  await sameTraining({ ...loopOptions, duration: { epochs: 5, steps: null } }, changes, calls)
  // 10 passes of twelve and 5 of four: of each three eager ones
  assert.deepEqual(counted(calls), { 'warm up': 6, capture: 2, replay: 9, dispose: 2 })
})

test('captured pass › thawed parameters: what was captured is freed, and captured anew', async () => {
  const calls: Call[] = []
  const changes = async (): Promise<Changes> => {
    const { networks } = await loopParts()
    networks.backbone.setRequiresGrad(false)
    return { networks, thaw: { afterEpochs: 2, run: async () => networks.backbone.setRequiresGrad(true) } }
  }
  await sameTraining(loopOptions, changes, calls)
  assert.deepEqual(counted(calls), { 'warm up': 6, capture: 2, replay: 9, dispose: 2 })
  assert.deepEqual(calls.slice(11, 13), ['dispose', 'warm up'])
})

/** What the pictures are multiplied with, by a number and by a tensor that are drawn for each batch. */
function drawingTask(
  brightness: (first: number) => number,
  kind: (first: number) => string = () => 'tinted',
): TrainingTask {
  return {
    ...tintTask(),
    async draw(_, { ids, size }) {
      const first = ids[0] ?? 0
      const each = torch.tensor(
        Float32Array.from({ length: size }, (_, row) => 1 + row / 100),
        { shape: [size, 1, 1, 1] },
      )
      return { kind: kind(first), tensors: { each }, scalars: { brightness: brightness(first) } }
    },
    async compute(networks, batch, draws) {
      const { ops } = torch
      const { each, brightness } = { ...draws?.tensors, ...draws?.scalars }
      assert.ok(each !== undefined && brightness !== undefined)
      const factor = typeof brightness === 'number' ? brightness : brightness.to('float32')
      const images = ops.mul(ops.mul(batch.images, each), factor)
      const { outputs } = await forwardNetworks(networks, images, 'float32')
      return { loss: crossEntropyLoss(outputs, batch.labels, { labelSmoothing: 0 }), parts: {}, correct: null }
    },
  }
}

test('captured pass › numbers and tensors that are drawn for a batch are those of the batch', async () => {
  const calls: Call[] = []
  await sameTraining(loopOptions, () => ({ task: drawingTask((first) => 0.5 + first / 60) }), calls)
  assert.deepEqual(counted(calls), { 'warm up': 3, capture: 1, replay: 12, dispose: 1 })
})

test('captured pass › each kind of batch is captured by itself', async () => {
  const calls: Call[] = []
  const task = (): TrainingTask =>
    drawingTask(
      (first) => 0.5 + first / 60,
      (first) => (first % 2 === 0 ? 'even' : 'odd'),
    )
  await sameTraining({ ...loopOptions, duration: { epochs: 6, steps: null } }, () => ({ task: task() }), calls)
  assert.deepEqual(counted(calls), { 'warm up': 6, capture: 2, replay: 24, dispose: 2 })
})

test('captured pass › a step that is not finite is left out, and leaves no gradient behind', async () => {
  for (const accumulation of [1, 2]) {
    const calls: Call[] = []
    const options: LoopOptions = {
      ...loopOptions,
      accumulation,
      nonFinite: { policy: 'skip', limit: 30, lrFactor: 1 },
    }
    const task = (): TrainingTask => drawingTask((first) => (first % 5 === 0 ? NaN : 1))
    await sameTraining(options, () => ({ task: task() }), calls)
    assert.ok(calls.includes('replay'))
  }
})

test('captured pass › gradients stay where they are, and are 0 between two steps', async () => {
  const addresses = async (graphs: Exclude<LoopParts['graphs'], undefined>): Promise<(number | null)[]> => {
    const parts = await loopParts()
    const [weight] = [...parts.networks.head.namedParameters().values()]
    assert.ok(weight !== undefined)
    const found: (number | null)[] = []
    const onStepEnd = (): void =>
      torch.scope(() => {
        const { grad } = weight
        assert.ok(grad === null || grad.toArray().every((value) => value === 0))
        found.push(grad?.address ?? null)
      })
    await runTraining({ ...loopOptions, sam }, { ...parts, graphs, callbacks: [{ name: 'gradients', onStepEnd }] })
    return found
  }
  const kept = await addresses(() => new RecordedPass([]))
  assert.deepEqual([kept.length, new Set(kept).size, kept.includes(null)], [15, 1, false])
  assert.ok((await addresses(null)).every((address) => address === null))
})

test('captured pass › resumed in the middle it goes on to the same weights', async () => {
  const whole = await train(loopOptions, { task: toldTask(), calls: [] })
  const abort = new AbortController()
  const first = await loopParts({ ema: true, task: toldTask() })
  const stopped = await runTraining(loopOptions, {
    ...first,
    graphs: () => new RecordedPass([]),
    signal: abort.signal,
    callbacks: [{ name: 'stop', onStepEnd: ({ step }) => void (step === 7 && abort.abort()) }],
  })
  assert.equal(stopped.outcome, 'interrupted')
  const resumed = await runTraining(loopOptions, {
    ...(await loopParts({ ema: true, folder: first.folder, task: toldTask() })),
    graphs: () => new RecordedPass([]),
    resumeFrom: await readSnapshot(stopped.last),
  })
  assert.deepEqual(await tensorsOf(resumed), await tensorsOf(whole))
})

/** Counts the images that went by; `put` says how the count is written down. */
function rememberingTask(put: (kept: Tensor, next: Tensor) => Tensor): TrainingTask & { seen: Tensor } {
  const task = tintTask()
  const self = {
    ...task,
    seen: torch.zeros([1]),
    async compute(...[networks, batch]: Parameters<TrainingTask['compute']>) {
      const output = await task.compute(networks, batch)
      self.seen = put(
        self.seen,
        torch.noGrad(() => torch.ops.add(self.seen, batch.size)),
      )
      return output
    },
    state: () => new Map([['seen', self.seen]]),
    restore: (state: ReadonlyMap<string, Tensor>) => self.seen.copyFrom(state.get('seen') as Tensor),
  }
  return self
}

const inPlace = (kept: Tensor, next: Tensor): Tensor => {
  kept.copyFrom(next)
  return kept
}

test('captured pass › what a task remembers moves once a step, and is captured anew where it moved elsewhere', async () => {
  const calls: Call[] = []
  const task = rememberingTask(inPlace)
  await train({ ...loopOptions, sam }, { task, calls })
  assert.equal(task.seen.item(), 15 * 12)
  assert.deepEqual(counted(calls), { 'warm up': 3, capture: 1, replay: 27, dispose: 1 })
  const moving = rememberingTask(inPlace)
  const again: Call[] = []
  const onStepEnd = ({ step }: StepEvent): void => {
    if (step === 8) moving.seen = torch.keep(torch.ops.clone(moving.seen))
  }
  await train(loopOptions, { task: moving, calls: again, callbacks: [{ name: 'moves', onStepEnd }] })
  assert.equal(moving.seen.item(), 15 * 12)
  assert.deepEqual(counted(again), { 'warm up': 6, capture: 2, replay: 9, dispose: 2 })
})

test('captured pass › what a graph would repeat for ever is an error that names it', async () => {
  const refused: [task: TrainingTask, message: RegExp][] = [
    [rememberingTask((_, next) => torch.keep(next)), /in place/],
    [
      { ...tintTask(), compute: async (...args) => ({ ...(await tintTask().compute(...args)), correct: 3 }) },
      /"correct" as a tensor/,
    ],
    [
      {
        ...tintTask(),
        async compute(...args) {
          const output = await tintTask().compute(...args)
          return { ...output, parts: { loss: output.loss.item() } }
        },
      },
      /a value was read inside a captured pass/,
    ],
    [
      {
        ...tintTask(),
        compute: async (networks, batch) =>
          tintTask().compute(networks, { ...batch, images: torch.ops.mul(batch.images, torch.tensor([0.5])) }),
      },
      /values of the host were made a tensor inside a captured pass/,
    ],
  ]
  const inside: [what: (images: Tensor) => unknown, message: RegExp][] = [
    [(images) => torch.autocast('bfloat16', () => images.data()), /a value was read inside a captured pass/],
    [(images) => images.to('cuda:0'), /a tensor was moved from cpu to cuda:0 inside a captured pass/],
    [() => torch.manualSeed(1), /the generator was seeded inside a captured pass/],
    [(images) => emaUpdate([images], [images], 0), /an average was moved inside a captured pass/],
    [(images) => torch.ops.sum(images).backward(), /backward ran on the calling thread inside a captured pass/],
  ]
  for (const [what, message] of inside)
    refused.push([
      {
        ...tintTask(),
        async compute(networks, batch) {
          await what(batch.images)
          return tintTask().compute(networks, batch)
        },
      },
      message,
    ])
  for (const name of ['epoch', 'ids', 'indices', 'labelValues'] as const)
    refused.push([
      {
        ...tintTask(),
        compute: async (networks, batch) => (void batch[name], tintTask().compute(networks, batch)),
      },
      new RegExp(`batch\\.${name} was read in a captured pass`),
    ])
  for (const [task, message] of refused)
    await assert.rejects(train(loopOptions, { task, calls: [] }), (error: unknown) => {
      assert.ok(error instanceof BindingError, String(error))
      assert.match(error.message, message)
      return true
    })
})
