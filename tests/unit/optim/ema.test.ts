import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NativeModule, torch } from '../../../src/binding/index.ts'
import { emaDecayAt, Optimizer, parameterGroups, swaDecayAt, WeightAverage } from '../../../src/optim/index.ts'
import { ConfigError, ShapeError } from '../../../src/util/errors.ts'

const linear = (inFeatures: number) => NativeModule.createHead('linear', { in_features: inFeatures, out_features: 2 })
const weights = (module: NativeModule): number[] =>
  torch.scope(() => [...module.stateDict().values()].flatMap((t) => t.toArray()))

test('ema › decay warms up as timm’s ModelEmaV3 and is clipped at the maximum', () => {
  for (const [updates, expected] of [
    [0, 0],
    [1, 0.370039],
    [9, 0.784557],
    [99, 0.953584],
    [999, 0.99],
  ] as const)
    assert.ok(Math.abs(emaDecayAt(updates, 0.9999) - expected) < 1e-6, `after ${updates} updates`)
  assert.equal(emaDecayAt(1_000_000, 0.999), 0.999)
})

test('ema › the first update copies the weights, the second mixes them', async () => {
  const [live, shadow] = [await linear(3), await linear(3)]
  const ema = new WeightAverage([live], [shadow])
  await ema.update(emaDecayAt(0, 0.9999))
  const first = weights(live)
  assert.deepEqual(weights(shadow), first)
  const zeros = new Map([...live.stateDict()].map(([name, t]) => [name, torch.zeros(t.shape)]))
  await live.loadStateDict(zeros)
  await ema.update(emaDecayAt(1, 0.9999))
  const mixed = weights(shadow)
  for (const [i, value] of first.entries()) assert.ok(Math.abs(mixed[i]! - 0.370039 * value) < 1e-6)
})

test('ema › with the decays of a plain mean the average is the plain mean', async () => {
  const [live, shadow] = [await linear(3), await linear(3)]
  const average = new WeightAverage([live], [shadow])
  const seen: number[][] = []
  for (let n = 0; n < 4; n++) {
    const fresh = weights(live).map((_, i) => Math.sin(7 * n + i))
    const [weight, bias] = [fresh.slice(0, 6), fresh.slice(6)]
    const names = [...live.stateDict().keys()]
    await live.loadStateDict(
      new Map(
        names.map((name) => [
          name,
          torch.tensor(/bias/.test(name) ? bias : weight, { shape: /bias/.test(name) ? [2] : [2, 3] }),
        ]),
      ),
    )
    seen.push(weights(live))
    await average.update(swaDecayAt(n))
  }
  for (const [i, value] of weights(shadow).entries())
    assert.ok(Math.abs(value - seen.reduce((sum, list) => sum + list[i]!, 0) / 4) < 1e-6)
})

test('ema › the averaged network needs no gradients', async () => {
  const [live, shadow] = [await linear(3), await linear(3)]
  new WeightAverage([live], [shadow])
  assert.ok([...shadow.namedParameters().values()].every((p) => !p.requiresGrad))
  assert.ok([...live.namedParameters().values()].every((p) => p.requiresGrad))
})

test('ema › refuses networks of different shapes', async () => {
  const [live, shadow] = [await linear(3), await linear(4)]
  assert.throws(() => new WeightAverage([live], [shadow]), ShapeError)
})

test('parameter groups › norms and biases carry no decay, unless asked for', async () => {
  const parts = [{ prefix: 'head', parameters: (await linear(3)).namedParameters(), learningRateScale: 0.5 }]
  const groups = parameterGroups(parts, { weightDecay: 0.1, decayNormsAndBiases: false })
  assert.deepEqual(
    groups.map((group) => [[...group.parameters.keys()], group.weightDecay, group.learningRateScale]),
    [
      [['head.fc.weight'], 0.1, 0.5],
      [['head.fc.bias'], 0, 0.5],
    ],
  )
  const all = parameterGroups(parts, { weightDecay: 0.1, decayNormsAndBiases: true })
  assert.deepEqual(
    all.map((group) => [group.parameters.size, group.weightDecay]),
    [[2, 0.1]],
  )
})

test('optimizer › moves parameters by lr · gradient, and refuses to have nothing to train', async () => {
  const options = { optimizer: 'sgd', momentum: 0, nesterov: true, beta1: 0.9, beta2: 0.999 } as const
  const head = await linear(3)
  const before = weights(head)
  const optimizer = new Optimizer(
    parameterGroups([{ prefix: 'head', parameters: head.namedParameters() }], {
      weightDecay: 0,
      decayNormsAndBiases: false,
    }),
    options,
  )
  const output = await head.forward(torch.ones([1, 3]))
  await torch.backward(torch.ops.sum(output))
  assert.ok(Math.abs((await optimizer.clipGradNorm(0)) - Math.sqrt(8)) < 1e-6)
  await optimizer.step(0.5)
  for (const [i, value] of weights(head).entries()) assert.ok(Math.abs(value - (before[i]! - 0.5)) < 1e-6)
  head.setRequiresGrad(false)
  assert.throws(
    () =>
      new Optimizer(
        parameterGroups([{ prefix: 'head', parameters: head.namedParameters() }], {
          weightDecay: 0,
          decayNormsAndBiases: false,
        }),
        options,
      ),
    ConfigError,
  )
})
