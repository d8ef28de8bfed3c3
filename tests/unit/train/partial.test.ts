/** Training a part of a network: frozen parameters, a thaw after some epochs, adapters. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSafetensors, torch } from '../../../src/binding/index.ts'
import { createHead, createModel, type ModelOptions } from '../../../src/models/index.ts'
import { readSnapshot } from '../../../src/snapshot/index.ts'
import { runTraining, type LoopParts, type Networks, type StepEvent } from '../../../src/train/index.ts'
import { loopOptions, loopParts, smallNetworks, weightSums } from './helpers.ts'

type Parts = LoopParts & { folder: string }

/** The first stages of the network are frozen for `epochs`; null: for good. */
async function frozenParts(epochs: number | null, folder?: string, ema = true): Promise<Parts> {
  const parts = await loopParts({ ema, ...(folder === undefined ? {} : { folder }) })
  const names = await parts.networks.backbone.freeze(3, [])
  const thaw =
    epochs === null ? null : { afterEpochs: epochs, run: () => parts.networks.backbone.setTrainable(names, true) }
  return { ...parts, thaw }
}

const tensors = async (snapshot: string, part: string): Promise<Map<string, number[]>> => {
  const { tensors: read } = await readSafetensors(`${snapshot}/${part}.safetensors`)
  return torch.scope(() => new Map([...read].map(([name, tensor]) => [name, tensor.toArray()])))
}

/** Trains until `stopAt` steps were made, then goes on with fresh networks. */
async function interruptedAndResumed(
  make: (folder?: string) => Promise<Parts>,
  options: typeof loopOptions,
  stopAt: number,
): Promise<string> {
  const abort = new AbortController()
  const first = await make()
  const onStepEnd = ({ step }: StepEvent): void => {
    if (step === stopAt) abort.abort()
  }
  const stopped = await runTraining(options, {
    ...first,
    signal: abort.signal,
    callbacks: [{ name: 'test', onStepEnd }],
  })
  assert.equal(stopped.state.step, stopAt)
  const resumeFrom = await readSnapshot(stopped.last)
  return (await runTraining(options, { ...(await make(first.folder)), resumeFrom })).last
}

test('loop › frozen parameters and their batch statistics do not move, have no optimizer state, and equal their average', async () => {
  const start = await smallNetworks()
  const before = torch.scope(() => new Map([...start.backbone.stateDict()].map(([n, t]) => [n, t.toArray()])))
  const { last } = await runTraining(loopOptions, await frozenParts(null))
  const after = await tensors(last, 'backbone')
  const average = await tensors(last, 'ema_backbone')
  const slots = [...(await tensors(last, 'optimizer')).keys()]
  for (const [name, values] of after) {
    const frozen = /^stages\.[012]\./.test(name)
    assert.equal(values.join() === before.get(name)?.join(), frozen, name)
    if (frozen) assert.deepEqual(average.get(name), values, name)
    assert.ok(!frozen || !slots.some((slot) => slot.endsWith(`backbone.${name}`)), name)
  }
  assert.ok(slots.includes('exp_avg.backbone.stages.3.conv.weight'))
})

test('loop › a thaw trains the frozen parameters from its epoch on, and the others keep their optimizer state', async () => {
  const at = async (epochs: number, thawAfter: number): Promise<string> =>
    (await runTraining({ ...loopOptions, duration: { epochs, steps: null } }, await frozenParts(thawAfter))).last
  const twoFrozen = await at(2, 2)
  const counts = async (snapshot: string): Promise<Set<number>> =>
    new Set((await tensors(snapshot, 'optimizer')).get('step'))
  assert.deepEqual(await counts(twoFrozen), new Set([10]))
  const thawed = await at(3, 2)
  // five steps an epoch: fifteen for those that were trained all along, five for the thawed
  assert.deepEqual(await counts(thawed), new Set([15, 5]))
  const [before, after] = [await tensors(twoFrozen, 'backbone'), await tensors(thawed, 'backbone')]
  assert.notDeepEqual(after.get('stages.0.conv.weight'), before.get('stages.0.conv.weight'))
  assert.notDeepEqual(after.get('stages.0.bn.running_mean'), before.get('stages.0.bn.running_mean'))
})

test('loop › resumes bit by bit before, at and after a thaw', async () => {
  for (const optimizer of ['adamw', 'sgd'] as const) {
    const options = { ...loopOptions, optimizer: { ...loopOptions.optimizer, optimizer } }
    const make = (folder?: string): Promise<Parts> => frozenParts(1, folder)
    const whole = weightSums((await runTraining(options, await make())).last)
    for (const stopAt of [3, 5, 6, 10])
      assert.deepEqual(weightSums(await interruptedAndResumed(make, options, stopAt)), whole, `${optimizer} ${stopAt}`)
  }
})

async function adaptedNetworks(options: ModelOptions): Promise<Networks> {
  const backbone = await createModel('vit_test', { numClasses: 0, imageSize: 8, patchSize: 4, seed: 1, ...options })
  const head = await createHead({ kind: 'linear', inFeatures: backbone.numFeatures, numClasses: 3, seed: 1 })
  return { backbone: backbone.native, head: head.native }
}

async function adaptedParts(folder?: string): Promise<Parts> {
  const lora = { loraRank: 2, loraAlpha: 4, loraDropout: 0.3, useIa3: true }
  return {
    ...(await loopParts(folder === undefined ? {} : { folder })),
    networks: await adaptedNetworks(lora),
    emaNetworks: await adaptedNetworks(lora),
  }
}

test('loop › adapters learn with everything else fixed, are averaged, and resume bit by bit with their dropout', async () => {
  const options = { ...loopOptions, schedule: { ...loopOptions.schedule, learningRate: 0.05 } }
  const run = await runTraining({ ...options, duration: { epochs: 8, steps: null } }, await adaptedParts())
  assert.ok((run.state.best?.accuracy ?? 0) >= 0.8, JSON.stringify(run.state.best))
  const fresh = await adaptedNetworks({})
  const base = torch.scope(() => new Map([...fresh.backbone.stateDict()].map(([n, t]) => [n, t.toArray()])))
  const [live, average] = [await tensors(run.last, 'backbone'), await tensors(run.last, 'ema_backbone')]
  for (const [name, values] of base) {
    assert.deepEqual(live.get(name), values, name)
    assert.deepEqual(average.get(name), values, name)
  }
  const adapters = [...live.keys()].filter((name) => !base.has(name))
  assert.equal(adapters.length, 2 * (2 * 2 + 2))
  for (const name of adapters) assert.notDeepEqual(average.get(name), live.get(name), name)
  const slots = [...(await tensors(run.last, 'optimizer')).keys()].filter((slot) =>
    slot.startsWith('exp_avg.backbone.'),
  )
  assert.deepEqual(new Set(slots.map((slot) => slot.slice('exp_avg.backbone.'.length))), new Set(adapters))

  const whole = weightSums((await runTraining(options, await adaptedParts())).last)
  for (const stopAt of [4, 5])
    assert.deepEqual(weightSums(await interruptedAndResumed(adaptedParts, options, stopAt)), whole, String(stopAt))
})

test('loop › a layer decay moves deep layers more than shallow ones', async () => {
  const moved = async (layerDecay: number): Promise<number[]> => {
    const networks = await adaptedNetworks({})
    const parts = await loopParts()
    const task = {
      ...parts.task,
      trainable: ({ backbone, head }: Networks) => [
        { prefix: 'backbone', parameters: backbone.namedParameters(), layers: backbone.depth.layers },
        { prefix: 'head', parameters: head.namedParameters() },
      ],
    }
    const start = torch.scope(() => networks.backbone.stateDict().get('blocks.0.mlp.fc1.bias')!.toArray())
    const deep = torch.scope(() => networks.backbone.stateDict().get('blocks.1.mlp.fc1.bias')!.toArray())
    await runTraining(
      { ...loopOptions, duration: { epochs: null, steps: 1 }, optimizer: { ...loopOptions.optimizer, layerDecay } },
      { ...parts, task, networks },
    )
    return torch.scope(() =>
      [start, deep].map((values, i) => {
        const now = networks.backbone.stateDict().get(`blocks.${i}.mlp.fc1.bias`)!.toArray()
        return Math.max(...now.map((value, j) => Math.abs(value - values[j]!)))
      }),
    )
  }
  // AdamW's first step is as long as the learning rate, whatever the gradient.
  const [shallow = 0, deep = 0] = await moved(0.5)
  assert.ok(Math.abs(deep / shallow - 2) < 1e-2, `${shallow} ${deep}`)
  const [same = 0, alike = 0] = await moved(1)
  assert.ok(Math.abs(alike / same - 1) < 1e-2, `${same} ${alike}`)
  assert.ok(Math.abs(alike / deep - 2) < 1e-2, `${alike} ${deep}`) // below the head: layer_decay ** 1
})
