import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { backboneCost, listBackbones, torch } from '../../../src/binding/index.ts'
import { backboneNames, createBackbone, createModel, listModels } from '../../../src/models/index.ts'
import type { ModelInfo } from '../../../src/models/index.ts'
import { ConfigError, SnapshotError } from '../../../src/util/errors.ts'
import { liveTensors } from '../../support/live-tensors.ts'

describe('createModel', () => {
  it('gives logits [N, numClasses], features in the network’s layout and pooled features [N, D]', async () => {
    using conv = await createModel('resnet_test', { numClasses: 5, imageSize: 32 })
    using vit = await createModel('vit_test', { numClasses: 5, imageSize: 32 })
    await torch.scope(async () => {
      const images = torch.zeros([2, 3, 32, 32])
      assert.deepEqual((await conv.forward(images)).shape, [2, 5])
      const map = await conv.forwardFeatures(images)
      assert.deepEqual(map.shape, [2, 32, 1, 1])
      assert.deepEqual((await conv.pool(map)).shape, [2, conv.numFeatures])
      const tokens = await vit.forwardFeatures(images)
      assert.deepEqual(tokens.shape, [2, 17, 32])
      assert.deepEqual((await vit.pool(tokens)).shape, [2, vit.numFeatures])
    })
  })

  it('gives pooled features when made without a classifier', async () => {
    using model = await createModel('small_cnn', { numClasses: 0, width: 4 })
    using images = torch.zeros([2, 3, 8, 8])
    using output = await model.forward(images)
    assert.deepEqual(output.shape, [2, 16])
    assert.ok(![...model.stateDict().keys()].some((name) => name.startsWith('fc.')))
  })

  it('counts its parameters and carries its preprocessing', async () => {
    using model = await createModel('resnet18', { numClasses: 10 })
    assert.equal(model.parameterCount, 11_181_642) // timm 1.0.31
    assert.equal(model.numFeatures, 512)
    assert.deepEqual(model.preprocessing, {
      imageSize: 224,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
      interpolation: 'bicubic',
      cropFraction: 0.95,
    })
  })

  it('takes the stem for small images', async () => {
    using model = await createModel('resnet18', { numClasses: 0, cifarStem: true })
    assert.deepEqual(model.stateDict().get('conv1.weight')?.shape, [64, 3, 3, 3])
  })

  it('repeats the weights of a seed and changes them with it', async () => {
    const first = async (seed: number): Promise<number[]> => {
      using model = await createModel('cifar_cnn_test', { seed })
      return torch.scope(() => [...model.stateDict().values()][0]!.toArray())
    }
    assert.deepEqual(await first(4), await first(4))
    assert.notDeepEqual(await first(4), await first(5))
  })

  it('uses learned statistics in eval mode and the batch’s in training mode', async () => {
    using model = await createModel('small_cnn', { numClasses: 2, width: 4, seed: 1 })
    await torch.scope(async () => {
      const images = torch.tensor(
        Float32Array.from({ length: 2 * 192 }, (_, i) => Math.sin(i)),
        { shape: [2, 3, 8, 8] },
      )
      const trained = (await model.train().forward(images)).toArray()
      const evaluated = (await model.eval().forward(images)).toArray()
      assert.notDeepEqual(trained, evaluated)
      assert.deepEqual((await model.forward(images)).toArray(), evaluated)
    })
  })

  it('refuses an unknown name with near ones', async () => {
    await assert.rejects(createModel('resnet19'), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /Did you mean .*resnet18/)
      return true
    })
  })

  it('refuses an option that the network does not take', async () => {
    await assert.rejects(createModel('small_cnn', { cifarStem: true }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /unknown option cifar_stem.*It takes:.*width/)
      return true
    })
  })

  it('leaves no tensor behind', async () => {
    const before = await liveTensors()
    for (let i = 0; i < 3; i++) {
      using model = await createModel('resnet_test', { numClasses: 2 })
      torch.scope(() => void model.stateDict())
    }
    assert.equal(torch.liveTensors(), before)
  })
})

describe('createBackbone', () => {
  const request = { imageSize: 32, device: 'cpu', seed: 3 }

  it('makes the configured network without a classifier', async () => {
    using model = await createBackbone({ ...request, backbone: { name: 'cifar_cnn', pretrained: false, width: 8 } })
    assert.equal(model.numFeatures, 32)
    assert.equal(model.preprocessing.imageSize, 32)
  })
})

describe('loadStateDict', () => {
  it('is strict by default and names what does not fit', async () => {
    using model = await createModel('small_cnn', { numClasses: 2, width: 4 })
    await torch.scope(async () => {
      const state = new Map(model.stateDict())
      state.delete('fc.bias')
      state.set('other', torch.zeros([1]))
      state.set('fc.weight', torch.zeros([3, 16]))
      await assert.rejects(model.loadStateDict(state), (error: unknown) => {
        assert.ok(error instanceof SnapshotError)
        assert.match(error.message, /Missing: fc\.bias/)
        assert.match(error.message, /other/)
        assert.match(error.message, /fc\.weight expects \[2, 16\] but got \[3, 16\]/)
        return true
      })
    })
  })

  it('copies what fits and reports the rest when not strict', async () => {
    using model = await createModel('small_cnn', { numClasses: 2, width: 4 })
    await torch.scope(async () => {
      const report = await model.loadStateDict(
        new Map([
          ['fc.bias', torch.tensor([1, 2])],
          ['fc.weight', torch.zeros([3, 16])],
          ['other', torch.zeros([1])],
        ]),
        { strict: false },
      )
      assert.deepEqual(model.stateDict().get('fc.bias')?.toArray(), [1, 2])
      assert.deepEqual([report.surplus, report.mismatched], [['other'], ['fc.weight']])
      assert.ok(report.missing.includes('stages.0.conv.weight') && !report.missing.includes('fc.bias'))
    })
  })
})

const costOf = (model?: ModelInfo): object => ({ parameters: model?.parameters, flops: model?.flops })

describe('listModels', () => {
  it('lists exactly what the native registry has, as the generated table says it', () => {
    const facts = listModels()
    const entries = listBackbones().map((entry, index) => ({ ...entry, ...costOf(facts[index]) }))
    assert.deepEqual(facts, entries, 'run node scripts/generate-backbones.mjs')
    assert.deepEqual(
      backboneNames,
      facts.map(({ name }) => name),
    )
  })

  it('knows parameters and multiply–adds of every network as the native rehearsal counts them', async () => {
    for (const { name, parameters, flops } of listModels()) {
      const counted = await backboneCost(name)
      assert.deepEqual({ parameters, multiplyAdds: flops }, counted, `${name}: run node scripts/generate-backbones.mjs`)
    }
  })

  it('counts what PyTorch counts on timm’s networks', () => {
    // torch.utils.flop_counter counts a multiply–add as two.
    const golden = JSON.parse(
      readFileSync(new URL('../../golden/models_cost.json', import.meta.url), 'utf8'),
    ) as Record<string, { parameters: number; flops: number }>
    assert.ok(Object.keys(golden).length >= 6)
    for (const [name, expected] of Object.entries(golden)) {
      const [model] = listModels(name).filter((entry) => entry.name === name)
      assert.deepEqual({ parameters: model?.parameters, flops: 2 * (model?.flops ?? 0) }, expected, name)
    }
  })

  it('filters by name and family', () => {
    const found = listModels('ResNet')
    assert.ok(['resnet18', 'resnet34', 'resnet50', 'resnet_test'].every((name) => found.some((m) => m.name === name)))
    assert.ok(found.every(({ name, family }) => `${name} ${family}`.includes('resnet')))
    assert.ok(listModels('vit_tiny_patch16_2').every(({ family, channelsLast }) => family === 'vit' && !channelsLast))
    assert.deepEqual(listModels('nothing of the kind'), [])
  })
})
