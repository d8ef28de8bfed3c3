import assert from 'node:assert/strict'
import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import {
  backboneOptionsSchema,
  createModel,
  loadAdapters,
  loadWeights,
  sameAdapters,
  saveAdapters,
  saveSafetensors,
  type Model,
  type ModelOptions,
} from '../../../src/models/index.ts'
import { Optimizer, parameterGroups } from '../../../src/optim/index.ts'
import { ConfigError, SnapshotError } from '../../../src/util/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-adapters-'))
const lora: ModelOptions = { numClasses: 3, seed: 1, loraRank: 2, loraAlpha: 3 }
const optimizerOptions = { optimizer: 'adamw', momentum: 0.9, nesterov: true, beta1: 0.9, beta2: 0.999 } as const

const images = (): Tensor =>
  torch.tensor(
    Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i * 0.37)),
    { shape: [2, 3, 32, 32] },
  )

/** Logits in evaluation mode. */
async function answers(model: Model): Promise<number[]> {
  model.eval()
  return torch.noGrad(() => torch.scope(async () => (await model.forward(images())).toArray()))
}

/** A few steps on made-up targets, so that the adapters are not at their start. */
async function train(model: Model, steps = 3): Promise<Optimizer> {
  model.train()
  const optimizer = torch.scope(
    () =>
      new Optimizer(
        parameterGroups([{ prefix: 'm', parameters: model.namedParameters() }], {
          weightDecay: 0.1,
          decayNormsAndBiases: false,
        }),
        optimizerOptions,
      ),
  )
  for (let step = 0; step < steps; step++) {
    await torch.scope(async () => {
      const outputs = await model.forward(images())
      await torch.backward(torch.ops.sum(torch.ops.mul(outputs, outputs)))
      await optimizer.step(0.05)
      await optimizer.zeroGrad()
    })
  }
  return optimizer
}

const values = (model: Model): Map<string, number[]> =>
  torch.scope(() => new Map([...model.stateDict()].map(([name, tensor]) => [name, tensor.toArray()])))

const close = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Infinity)) / (1 + Math.abs(value))))

describe('adapters', () => {
  it('leave the network’s answers alone until they are trained', async () => {
    using plain = await createModel('vit_test', { numClasses: 3, seed: 1 })
    using adapted = await createModel('vit_test', { ...lora, loraDropout: 0.5, useIa3: true })
    assert.deepEqual(await answers(adapted), await answers(plain))
    assert.deepEqual(adapted.adapters, { loraRank: 2, loraAlpha: 3, loraDropout: 0.5, useIa3: true })
    assert.equal(plain.adapters, null)
  })

  it('are all that is trained but for the classifier, and all that the optimizer keeps state for', async () => {
    using model = await createModel('vit_test', { ...lora, useIa3: true })
    const before = values(model)
    const optimizer = await train(model)
    const after = values(model)
    const changed = [...after.keys()].filter((name) => after.get(name)!.join() !== before.get(name)!.join())
    const adapters = [...model.adapterState().keys()]
    assert.deepEqual(new Set(changed), new Set([...adapters, 'head.weight', 'head.bias']))
    await torch.scope(async () => {
      const slots = [...(await optimizer.state()).keys()].filter((key) => key.startsWith('exp_avg.'))
      assert.deepEqual(new Set(slots.map((key) => key.slice('exp_avg.m.'.length))), new Set(changed))
    })
    const count = [...changed].reduce((sum, name) => sum + after.get(name)!.length, 0)
    assert.equal(model.trainableParameterCount, count)
    assert.ok(model.parameterCount > 3 * count)
  })

  it('merge into a plain network of timm’s names, and come apart again bit for bit', async () => {
    using model = await createModel('vit_test', { ...lora, useIa3: true })
    using plain = await createModel('vit_test', { numClasses: 3 })
    await train(model)
    const [before, expected] = [values(model), await answers(model)]
    await model.mergeAdapters()
    assert.deepEqual(new Set(values(model).keys()), new Set(values(plain).keys()))
    assert.ok(close(expected, await answers(model)) < 1e-5)
    const once = values(model)
    await model.mergeAdapters()
    assert.deepEqual(values(model), once)
    await plain.loadStateDict(model.stateDict())
    assert.ok(close(expected, await answers(plain)) < 1e-5)
    await model.unmergeAdapters()
    assert.deepEqual(values(model), before)
    assert.deepEqual(await answers(model), expected)
  })

  it('can be merged for good, and others attached to what they learned', async () => {
    using model = await createModel('vit_test', lora)
    await train(model)
    const expected = await answers(model)
    await model.mergeAndUnload()
    assert.equal(model.adapters, null)
    assert.equal(model.trainableParameterCount, model.parameterCount)
    await model.attachAdapters({ useIa3: true })
    assert.ok(close(expected, await answers(model)) < 1e-5)
    await assert.rejects(model.attachAdapters({ loraRank: 1 }), ConfigError)
  })

  it('are saved alone, a fraction of the network, and loaded onto the same weights', async () => {
    using model = await createModel('vit_test', { ...lora, useIa3: true })
    await train(model)
    const path = join(folder, 'adapters.safetensors')
    const whole = join(folder, 'whole.safetensors')
    await saveAdapters(path, model)
    await saveSafetensors(whole, model.stateDict())
    assert.ok(statSync(path).size < statSync(whole).size / 3)
    using other = await createModel('vit_test', { numClasses: 3, seed: 1 })
    await loadAdapters(path, other)
    assert.deepEqual(other.adapters, model.adapters)
    // the classifier was trained too, and is none of the adapters
    await other.loadStateDict(model.stateDict())
    assert.deepEqual(await answers(other), await answers(model))
    await train(other, 1)
    await loadAdapters(path, other)
    for (const [name, tensor] of model.adapterState())
      assert.deepEqual(other.adapterState().get(name)?.toArray(), tensor.toArray(), name)

    const state = await loadWeights(path)
    assert.deepEqual(new Set(state.keys()), new Set(model.adapterState().keys()))
    using third = await createModel('vit_test', { ...lora, loraRank: 3 })
    await assert.rejects(loadAdapters(path, third), /expected adapters like the model's.*"loraRank":3/)
    using small = await createModel('vit_tiny_patch16_224', { numClasses: 0, imageSize: 32 })
    await assert.rejects(loadAdapters(path, small), /expected adapters of vit_tiny_patch16_224/)
    await assert.rejects(loadAdapters(whole, other), /does not say what adapters it holds/)
    await assert.rejects(saveAdapters(path, small), SnapshotError)
    await model.mergeAdapters()
    await assert.rejects(saveAdapters(path, model), /merged them/)
  })

  it('in a file of a training snapshot are merged as it is loaded; a file that does not say what they are is refused', async () => {
    using model = await createModel('vit_test', { ...lora, useIa3: true })
    await train(model)
    const path = join(folder, 'snapshot.safetensors')
    const network = { backbone: { name: 'vit_test', ...model.adapters } }
    await saveSafetensors(path, model.stateDict(), { trivium: JSON.stringify(network) })
    using plain = await createModel('vit_test', { numClasses: 3, pretrained: path })
    assert.equal(plain.adapters, null)
    assert.equal(plain.trainableParameterCount, plain.parameterCount)
    assert.ok(close(await answers(model), await answers(plain)) < 1e-5)
    const bare = join(folder, 'bare.safetensors')
    await saveSafetensors(bare, model.stateDict())
    const refused = createModel('vit_test', { numClasses: 3, pretrained: bare })
    await assert.rejects(
      refused,
      (error: unknown) => error instanceof SnapshotError && /it holds adapters/.test(error.message),
    )
  })

  it('start from their seed, apart from the network’s draws', async () => {
    const start = async (seed: number): Promise<number[]> => {
      using model = await createModel('vit_test', { ...lora, seed })
      return torch.scope(() => [...model.adapterState().values()][0]!.toArray())
    }
    assert.deepEqual(await start(4), await start(4))
    assert.notDeepEqual(await start(4), await start(5))
  })

  it('are refused where they cannot be, with the reason', async () => {
    await assert.rejects(createModel('resnet18', { loraRank: 4 }), /resnet18: lora_rank: LoRA adapts linear layers/)
    await assert.rejects(createModel('small_cnn', { useIa3: true }), /use_ia3: IA3 adapts linear layers/)
    const wrong = createModel('vit_test', { loraRank: 4, loraTargets: ['attn.qvk'] })
    await assert.rejects(wrong, /"attn.qvk" names no linear layer.*attn.proj, attn.qkv, mlp.fc1, mlp.fc2/)
    await assert.rejects(createModel('vit_test', { loraAlpha: 4 }), /lora_alpha needs lora_rank/)
  })

  it('are read from configurations, and a scale without a rank is refused there', () => {
    const read = backboneOptionsSchema.parse({ loraRank: 8, loraTargets: ['qkv', 'mlp.*'], useIa3: true })
    assert.deepEqual([read.loraRank, read.loraTargets, read.useIa3], [8, ['qkv', 'mlp.*'], true])
    for (const wrong of [
      { loraAlpha: 4 },
      { loraTargets: ['qkv'] },
      { loraRank: -1 },
      { loraRank: 4, loraAlpha: 0 },
      { loraRank: 4, loraDropout: 1 },
      { loraRank: 4, loraTargets: [] },
    ])
      assert.equal(backboneOptionsSchema.safeParse(wrong).success, false, JSON.stringify(wrong))
    assert.ok(backboneOptionsSchema.safeParse({ loraRank: 0, loraAlpha: 16 }).success)
  })

  it('are the same when their weights mean the same', () => {
    assert.ok(sameAdapters({ loraRank: 4 }, { loraRank: 4, loraAlpha: 4, loraDropout: 0.1, useIa3: false }))
    assert.ok(sameAdapters({}, { loraRank: 0, loraAlpha: 16 }))
    assert.ok(!sameAdapters({ loraRank: 4 }, { loraRank: 4, loraAlpha: 8 }))
    assert.ok(!sameAdapters({ loraRank: 4 }, { loraRank: 4, loraTargets: ['qkv'] }))
    assert.ok(!sameAdapters({ loraRank: 4 }, { loraRank: 4, useIa3: true }))
  })
})

describe('freeze', () => {
  it('stops the first stages, or what patterns name, and unfreeze trains them again', async () => {
    using model = await createModel('resnet_test', { numClasses: 3, imageSize: 32, seed: 1 })
    const frozen = (): string[] =>
      torch.scope(() => [...model.namedParameters()].flatMap(([name, tensor]) => (tensor.requiresGrad ? [] : [name])))
    await model.freeze({ stages: 2 })
    assert.deepEqual(new Set(frozen().map((name) => name.split('.')[0])), new Set(['conv1', 'bn1', 'layer1']))
    await model.freeze({ patterns: ['layer4', 'bn2'] })
    assert.ok(frozen().includes('layer4.0.conv1.weight') && frozen().includes('layer2.0.bn2.bias'))
    assert.ok(!frozen().includes('layer2.0.bn1.bias'))
    await model.unfreeze()
    assert.deepEqual(frozen(), [])
    await model.freeze()
    assert.equal(model.trainableParameterCount, 3 * 32 + 3)
    await assert.rejects(model.freeze({ stages: 9 }), /expected 0 to 5, the stages of this network, but got 9/)
    await assert.rejects(model.freeze({ patterns: ['layr'] }), ConfigError)
  })

  it('keeps the statistics of frozen batch norms, also after train()', async () => {
    using model = await createModel('resnet_test', { numClasses: 3, imageSize: 32, seed: 1 })
    await model.freeze({ stages: 1 })
    const before = values(model)
    await torch.scope(async () => model.train().forward(images()))
    const after = values(model)
    assert.deepEqual(after.get('bn1.running_mean'), before.get('bn1.running_mean'))
    assert.notDeepEqual(after.get('layer1.0.bn1.running_mean'), before.get('layer1.0.bn1.running_mean'))
  })

  it('does not train the base of adapters when it thaws', async () => {
    using model = await createModel('vit_test', lora)
    const adapters = model.trainableParameterCount
    await model.freeze({ stages: 2 })
    assert.ok(model.trainableParameterCount < adapters)
    await model.unfreeze()
    assert.equal(model.trainableParameterCount, adapters)
  })

  it('switched off in so many words are as good as not mentioned', async () => {
    await torch.scope(async () => {
      const plain = await createModel('vit_test', { numClasses: 3, seed: 1 })
      for (const off of [{ loraRank: 0 }, { useIa3: false }, { loraRank: 0, useIa3: false }]) {
        const model = await createModel('vit_test', { numClasses: 3, seed: 1, ...off })
        assert.equal(model.adapters, null)
        assert.equal(model.trainableParameterCount, plain.trainableParameterCount)
        assert.deepEqual(await answers(model), await answers(plain))
      }
      await createModel('resnet_test', { numClasses: 3, loraRank: 0 })
      await assert.rejects(createModel('vit_test', { loraAlpha: 2 }), /lora_alpha needs lora_rank/)
      await assert.rejects(
        createModel('vit_test', { loraRank: 2, loraTargets: [] }),
        /lora_targets: expected at least one/,
      )
    })
  })

  it('freeze wants whole stages and a pattern in its list', async () => {
    await torch.scope(async () => {
      const model = await createModel('vit_test', { numClasses: 3 })
      const count = model.trainableParameterCount
      await assert.rejects(model.freeze({ stages: 1.5 }), /freeze\.stages: expected a whole number, got 1\.5/)
      await assert.rejects(model.freeze({ patterns: [] }), /freeze\.patterns: expected at least one pattern/)
      assert.equal(model.trainableParameterCount, count)
    })
  })
})
