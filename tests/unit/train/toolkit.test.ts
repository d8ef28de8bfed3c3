/** SAM, Lookahead, accumulation, clipping, loss scaling and averages inside the loop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torch, type DType } from '../../../src/binding/index.ts'
import { readSnapshot } from '../../../src/snapshot/index.ts'
import {
  runTraining,
  type LoopOptions,
  type LoopParts,
  type StepEvent,
  type Validation,
} from '../../../src/train/index.ts'
import { ConfigError, NonFiniteError } from '../../../src/util/errors.ts'
import { loopOptions, loopParts, tintTask, weightSums } from './helpers.ts'

type Values = Map<string, number[]>

/** Parameters and buffers of both networks, by name. */
function valuesOf({ backbone, head }: LoopParts['networks']): Values {
  return torch.scope(
    () =>
      new Map([
        ...[...backbone.stateDict()].map(([name, t]) => [`backbone.${name}`, t.toArray()] as const),
        ...[...head.stateDict()].map(([name, t]) => [`head.${name}`, t.toArray()] as const),
      ]),
  )
}

const sgd = {
  ...loopOptions.optimizer,
  optimizer: 'sgd',
  momentum: 0,
  nesterov: null,
  beta1: null,
  beta2: null,
} as const
const plain: LoopOptions = {
  ...loopOptions,
  optimizer: { ...sgd, weightDecay: 0 },
  duration: { epochs: null, steps: 4 },
  warmup: { epochs: null, steps: null },
  schedule: { kind: 'constant', learningRate: 0.1, finalFraction: 0 },
}
const sam = { rho: 0.5, adaptive: false, eta: 0 }
const adam = loopOptions.optimizer

test('toolkit › every tool resumes bit by bit, wherever it was stopped', async () => {
  const cases: Record<string, Partial<LoopOptions>> = {
    sam: { sam },
    'asam, lookahead and accumulation': {
      sam: { rho: 0.5, adaptive: true, eta: 0.01 },
      lookahead: { k: 3, alpha: 0.5 },
      accumulation: 2,
      optimizer: { ...adam, gradientCentralization: 'all' },
      gradClip: 0.5,
      gradClipMode: 'adaptive',
    },
    'lookahead with muon': { lookahead: { k: 2, alpha: 0.5 }, optimizer: { ...adam, optimizer: 'muon' } },
    lion: { optimizer: { ...adam, optimizer: 'lion' } },
    lamb: { optimizer: { ...adam, optimizer: 'lamb' } },
    swa: { swa: { start: 0.3, lrFraction: 0.5, statisticsBatches: 3 } },
    'plateau and value': {
      schedule: { kind: 'plateau', learningRate: 0.02, finalFraction: 0, patience: 0, threshold: 0.9 },
      gradClip: 0.1,
      gradClipMode: 'value',
    },
    float16: { precision: 'float16', sam, lookahead: { k: 3, alpha: 0.5 } },
  }
  for (const [what, changes] of Object.entries(cases)) {
    const options = { ...loopOptions, ...changes }
    const whole = await runTraining(options, await loopParts({ ema: true }))
    const every = Math.ceil(5 / (options.accumulation ?? 1))
    for (const stopAt of [1, every, every + 1]) {
      const abort = new AbortController()
      const first = await loopParts({ ema: true })
      const onStepEnd = ({ step }: StepEvent): void => {
        if (step === stopAt) abort.abort()
      }
      const stopped = await runTraining(options, {
        ...first,
        signal: abort.signal,
        callbacks: [{ name: 'test', onStepEnd }],
      })
      assert.deepEqual([stopped.outcome, stopped.state.step], ['interrupted', stopAt], what)
      const resumeFrom = await readSnapshot(stopped.last)
      const resumed = await runTraining(options, {
        ...(await loopParts({ ema: true, folder: first.folder })),
        resumeFrom,
      })
      assert.deepEqual(weightSums(resumed.last), weightSums(whole.last), `${what}, stopped at ${stopAt}`)
      assert.deepEqual({ ...resumed.state, sums: 0 }, { ...whole.state, sums: 0 }, what)
    }
  }
})

test('toolkit › an epoch that was interrupted while it was measured is not settled twice', async () => {
  const options: LoopOptions = {
    ...loopOptions,
    lookahead: { k: 3, alpha: 0.5 },
    swa: { start: 0, lrFraction: null, statisticsBatches: 2 },
  }
  const whole = await runTraining(options, await loopParts({ ema: true }))
  const abort = new AbortController()
  const task = tintTask()
  let measured = 0
  const parts = await loopParts({
    ema: true,
    task: {
      ...task,
      async validate(networks, signal) {
        if (++measured === 2) abort.abort()
        signal.throwIfAborted()
        return (task.validate as NonNullable<typeof task.validate>)(networks, signal)
      },
    },
  })
  const stopped = await runTraining(options, { ...parts, signal: abort.signal })
  assert.deepEqual([stopped.outcome, stopped.state.epoch, stopped.state.settled], ['interrupted', 1, true])
  const resumeFrom = await readSnapshot(stopped.last)
  const resumed = await runTraining(options, { ...(await loopParts({ ema: true, folder: parts.folder })), resumeFrom })
  assert.deepEqual(weightSums(resumed.last), weightSums(whole.last))
})

test('toolkit › SAM draws the same in both passes, and batch statistics move once a step', async () => {
  const drawn: number[] = []
  const task = tintTask()
  const parts = await loopParts({
    task: {
      ...task,
      compute(networks, batch) {
        drawn.push(torch.ops.rand([1]).item())
        return task.compute(networks, batch)
      },
    },
  })
  await runTraining({ ...plain, sam, accumulation: 2, duration: { epochs: null, steps: 3 } }, parts)
  // five batches an epoch: steps of 2, 2 and 1, each batch twice
  assert.equal(drawn.length, 10)
  assert.deepEqual([drawn[0], drawn[1]], [drawn[2], drawn[3]])
  assert.deepEqual([drawn[4], drawn[5], drawn[8]], [drawn[6], drawn[7], drawn[9]])
  assert.equal(new Set(drawn).size, 5)
  const counters = [...valuesOf(parts.networks)].filter(([name]) => name.endsWith('num_batches_tracked'))
  assert.ok(counters.length > 0)
  for (const [name, [count]] of counters) assert.equal(count, 5, name)
})

/** One step after the other as the documents say it, with numbers in lists. */
async function reference(parts: LoopParts, options: LoopOptions): Promise<{ weights: Values; average: Values }> {
  const { networks, task, loader } = parts
  const { backbone, head } = networks
  const names = torch.scope(() => [
    ...[...backbone.namedParameters().keys()].map((name) => `backbone.${name}`),
    ...[...head.namedParameters().keys()].map((name) => `head.${name}`),
  ])
  const shapes: ReadonlyMap<string, readonly [readonly number[], DType]> = torch.scope(
    () =>
      new Map<string, readonly [readonly number[], DType]>([
        ...[...backbone.stateDict()].map(([name, t]) => [`backbone.${name}`, [t.shape, t.dtype]] as const),
        ...[...head.stateDict()].map(([name, t]) => [`head.${name}`, [t.shape, t.dtype]] as const),
      ]),
  )
  const write = (values: Values): Promise<void> =>
    torch.scope(async () => {
      for (const [prefix, module] of [
        ['backbone.', backbone],
        ['head.', head],
      ] as const) {
        const own = [...values].filter(([name]) => name.startsWith(prefix))
        const tensors = own.map(([name, list]) => {
          const [shape, dtype] = shapes.get(name) as readonly [readonly number[], DType]
          return [name.slice(prefix.length), torch.tensor(list, { shape, dtype })] as const
        })
        await module.loadStateDict(new Map(tensors))
      }
    })
  const gradients = async (batches: Parameters<typeof task.compute>[1][]): Promise<Values> => {
    const samples = batches.reduce((sum, { size }) => sum + size, 0)
    const total: Values = new Map(names.map((name) => [name, [] as number[]]))
    for (const batch of batches)
      await torch.scope(async () => {
        const { loss } = await task.compute(networks, batch)
        await torch.backward(torch.ops.mul(loss, batch.size / samples))
      })
    torch.scope(() => {
      for (const [prefix, module] of [
        ['backbone.', backbone],
        ['head.', head],
      ] as const)
        for (const [name, parameter] of module.namedParameters()) {
          total.set(prefix + name, parameter.grad?.toArray() ?? [])
        }
    })
    // none again, by the only way that a network has
    for (const module of [backbone, head]) {
      const all = [...torch.scope(() => [...module.namedParameters().keys()])]
      await module.setTrainable(all, false)
      await module.setTrainable(all, true)
    }
    return total
  }
  const norm = (values: Values): number => Math.hypot(...[...values.values()].flat())
  const map = (values: Values, change: (value: number, name: string, index: number) => number): Values =>
    new Map([...values].map(([name, list]) => [name, list.map((value, i) => change(value, name, i))]))
  const at = (values: Values, name: string, index: number): number => (values.get(name) as number[])[index] as number

  const rate = options.schedule.learningRate
  const { sam: s, lookahead, accumulation = 1, gradClip } = options
  let slow = new Map([...valuesOf(networks)].filter(([name]) => names.includes(name)))
  let average = valuesOf(networks)
  let step = 0
  let batches = []
  backbone.train(true)
  head.train(true)
  for await (const batch of loader.epoch(0)) {
    batches.push(batch)
    if (batches.length < accumulation) continue
    const before = valuesOf(networks)
    const first = await gradients(batches)
    const state = valuesOf(networks) // statistics of the first pass
    const length = norm(first)
    const rho = s?.rho ?? 0
    await write(
      map(before, (w, name, i) => (names.includes(name) ? w + (rho * at(first, name, i)) / (length + 1e-12) : w)),
    )
    let g = await gradients(batches)
    g = new Map(
      [...g].map(([name, list]) => {
        const [shape] = shapes.get(name) as readonly [readonly number[], DType]
        if (!name.startsWith('backbone.') || shape.length < 2) return [name, list]
        const unit = list.length / (shape[0] as number)
        const means = Array.from({ length: shape[0] as number }, (_, row) =>
          list.slice(row * unit, (row + 1) * unit).reduce((sum, value) => sum + value / unit, 0),
        )
        return [name, list.map((value, i) => value - (means[Math.floor(i / unit)] as number))]
      }),
    )
    const coefficient = Math.min(1, gradClip / (norm(g) + 1e-6))
    const decays = (name: string): number =>
      (shapes.get(name) as readonly [readonly number[], DType])[0].length > 1 ? options.optimizer.weightDecay : 0
    let after = map(state, (value, name, i) => {
      if (!names.includes(name)) return value
      const w = at(before, name, i)
      return w - rate * (coefficient * at(g, name, i) + decays(name) * w)
    })
    if (lookahead != null && (step + 1) % lookahead.k === 0) {
      slow = map(slow, (value, name, i) => value + lookahead.alpha * (at(after, name, i) - value))
      after = new Map([...after, ...slow])
    }
    const decay = Math.min(options.emaDecay, 1 - (1 + step) ** (-2 / 3))
    average = map(average, (value, name, i) =>
      name.endsWith('tracked') ? at(after, name, i) : decay * value + (1 - decay) * at(after, name, i),
    )
    await write(after)
    for (const used of batches) used.dispose()
    batches = []
    if (++step === options.duration.steps) break
  }
  return { weights: valuesOf(networks), average }
}

test('toolkit › SAM, accumulation, centralisation, clipping, decay, Lookahead and the average compose in the documented order', async () => {
  const options: LoopOptions = {
    ...plain,
    optimizer: { ...sgd, weightDecay: 0.05, gradientCentralization: 'all' },
    duration: { epochs: null, steps: 2 },
    accumulation: 2,
    sam,
    lookahead: { k: 2, alpha: 0.5 },
    gradClip: 0.4,
    emaDecay: 0.9,
  }
  const expected = await reference(await loopParts(), options)
  const parts = await loopParts({ ema: true })
  const norms: number[] = []
  await runTraining(options, {
    ...parts,
    callbacks: [{ name: 'test', onStepEnd: ({ gradientNorm }) => void norms.push(gradientNorm) }],
  })
  assert.ok(
    norms.every((norm) => norm > 0.4),
    `nothing was clipped: ${norms.join()}`,
  )
  const near = (given: Values, wanted: Values): void => {
    for (const [name, list] of wanted)
      for (const [i, value] of list.entries()) {
        const own = (given.get(name) as number[])[i] as number
        assert.ok(
          Math.abs(own - value) < 2e-5 * Math.max(1, Math.abs(value)),
          `${name}[${i}]: ${own}, expected ${value}`,
        )
      }
  }
  near(valuesOf(parts.networks), expected.weights)
  near(valuesOf(parts.emaNetworks as LoopParts['networks']), expected.average)
})

test('toolkit › each tool changes what is learned', async () => {
  const base: LoopOptions = { ...plain, optimizer: { ...sgd, weightDecay: 0.05 }, duration: { epochs: 2, steps: null } }
  const variants: Record<string, Partial<LoopOptions>> = {
    base: {},
    sam: { sam: { rho: 0.05, adaptive: false, eta: 0 } },
    rho: { sam: { rho: 0.5, adaptive: false, eta: 0 } },
    asam: { sam: { rho: 0.5, adaptive: true, eta: 0 } },
    eta: { sam: { rho: 0.5, adaptive: true, eta: 0.1 } },
    lookahead: { lookahead: { k: 6, alpha: 0.5 } },
    k: { lookahead: { k: 2, alpha: 0.5 } },
    alpha: { lookahead: { k: 6, alpha: 0.8 } },
    accumulation: { accumulation: 2 },
    conv: { optimizer: { ...sgd, weightDecay: 0.05, gradientCentralization: 'conv' } },
    momentum: { optimizer: { ...sgd, weightDecay: 0.05, momentum: 0.5, nesterov: false } },
    nesterov: { optimizer: { ...sgd, weightDecay: 0.05, momentum: 0.5, nesterov: true } },
    norm: { gradClip: 0.1 },
    value: { gradClip: 0.1, gradClipMode: 'value' },
    adaptive: { gradClip: 0.1, gradClipMode: 'adaptive' },
    ...Object.fromEntries(
      (['adamw', 'lamb', 'lion', 'muon'] as const).flatMap((optimizer) =>
        [{}, { beta1: 0.5 }, { beta2: 0.5 }].map((betas) => [
          `${optimizer} ${JSON.stringify(betas)}`,
          { optimizer: { ...sgd, momentum: null, weightDecay: 0.05, optimizer, ...betas } },
        ]),
      ),
    ),
    'muon momentum': { optimizer: { ...sgd, weightDecay: 0.05, optimizer: 'muon', momentum: 0.5 } },
    'muon nesterov': { optimizer: { ...sgd, momentum: null, nesterov: false, weightDecay: 0.05, optimizer: 'muon' } },
  }
  const seen = new Map<string, string>()
  for (const [name, changes] of Object.entries(variants)) {
    const { last } = await runTraining({ ...base, ...changes }, await loopParts())
    const { 'backbone.safetensors': sum = '' } = weightSums(last)
    assert.ok(sum !== '')
    assert.equal(seen.get(sum), undefined, `${name} ends as ${seen.get(sum)} does`)
    seen.set(sum, name)
  }
})

test('toolkit › float16 leaves out a step that overflows, halves its scale, and the schedule waits', async () => {
  const task = tintTask()
  let computed = 0
  const parts = await loopParts({
    task: {
      ...task,
      async compute(networks, batch) {
        const { loss, ...output } = await task.compute(networks, batch)
        return { ...output, loss: ++computed === 3 ? torch.ops.mul(loss, 1e36) : loss }
      },
    },
  })
  const events: StepEvent[] = []
  const options: LoopOptions = {
    ...loopOptions,
    precision: 'float16',
    schedule: { kind: 'cosine', learningRate: 0.02, finalFraction: 0 },
    duration: { epochs: null, steps: 5 },
    warmup: { epochs: null, steps: null },
  }
  const { state } = await runTraining(options, {
    ...parts,
    callbacks: [{ name: 'test', onStepEnd: (event) => void events.push(event) }],
  })
  assert.deepEqual([state.step, state.updates, state.scaler.scale], [5, 4, 32768])
  assert.ok(!Number.isFinite(events[2]?.gradientNorm))
  assert.equal(events[3]?.learningRate, events[2]?.learningRate)
  assert.ok(torch.scope(() => [...valuesOf(parts.networks).values()].flat().every(Number.isFinite)))
})

test('toolkit › float16 stops when the scale has fallen below 1, and says what is kept', async () => {
  const task = tintTask()
  const parts = await loopParts({
    task: {
      ...task,
      async compute(networks, batch) {
        const { loss, ...output } = await task.compute(networks, batch)
        return { ...output, loss: torch.ops.mul(loss, Infinity) }
      },
    },
  })
  const before = valuesOf(parts.networks)
  const options: LoopOptions = { ...loopOptions, precision: 'float16', duration: { epochs: 20, steps: null } }
  await assert.rejects(runTraining(options, parts), (error: unknown) => {
    assert.ok(error instanceof NonFiniteError)
    assert.match(
      error.message,
      /^tints: the loss scale fell to 0\.5, below 1 at step 17 \(epoch 4\)\..*Snapshot kept: .*epoch-0003/,
    )
    return true
  })
  assert.deepEqual(valuesOf(parts.networks).get('head.fc.weight'), before.get('head.fc.weight'))
})

const scripted = (accuracies: readonly number[]): ReturnType<typeof tintTask> => {
  let epoch = 0
  const result = (): Validation => ({ accuracy: accuracies[epoch++] ?? 0, loss: 1 })
  return { ...tintTask(), validate: () => Promise.resolve(result()) }
}

test('toolkit › a plateau cuts the rate, and needs something to watch', async () => {
  const options: LoopOptions = {
    ...plain,
    duration: { epochs: 5, steps: null },
    schedule: { kind: 'plateau', learningRate: 0.1, finalFraction: 0.2, factor: 0.5, patience: 0 },
  }
  const rates: number[] = []
  const parts = await loopParts({ task: scripted([0.5, 0.4, 0.6, 0.6, 0.6]) })
  await runTraining(options, { ...parts, callbacks: [{ name: 'test', onEpochEnd: ({ lr }) => void rates.push(lr) }] })
  assert.deepEqual(rates, [0.1, 0.1, 0.05, 0.05, 0.025])
  await assert.rejects(
    async () => runTraining(options, await loopParts({ task: { ...tintTask(), validate: null } })),
    (error: unknown) => error instanceof ConfigError && /tints\.schedule: plateau watches/.test(error.message),
  )
})

test('toolkit › the mean of weights is that of its epochs, with statistics of its own', async () => {
  const options: LoopOptions = {
    ...plain,
    duration: { epochs: 4, steps: null },
    swa: { start: 0.5, lrFraction: 0.3, statisticsBatches: 3 },
  }
  const parts = await loopParts({ ema: true })
  const ends: Values[] = []
  const rates: number[] = []
  const { state } = await runTraining(options, {
    ...parts,
    callbacks: [{ name: 'test', onEpochEnd: ({ lr }) => void (ends.push(valuesOf(parts.networks)), rates.push(lr)) }],
  })
  assert.deepEqual(
    rates.map((rate) => Number(rate.toFixed(6))),
    [0.1, 0.1, 0.03, 0.03],
  )
  assert.equal(state.averaged, 2)
  const mean = valuesOf(parts.emaNetworks as LoopParts['networks'])
  for (const [name, list] of mean) {
    if (name.endsWith('num_batches_tracked')) assert.deepEqual(list, [3], name)
    const isStatistic = name.includes('running_')
    const plainMean = list.map((_, i) => (ends[2]!.get(name)![i]! + ends[3]!.get(name)![i]!) / 2)
    const off = Math.max(...list.map((value, i) => Math.abs(value - plainMean[i]!)))
    if (isStatistic) assert.ok(off > 1e-4, `${name} is no estimate of its own`)
    else if (!name.endsWith('tracked')) assert.ok(off < 1e-6, `${name} is off by ${off}`)
  }
})
