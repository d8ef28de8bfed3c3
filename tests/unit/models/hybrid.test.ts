import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import type { Tensor } from '../../../src/binding/index.ts'
import { createBackbone, createModel, saveSafetensors } from '../../../src/models/index.ts'
import { loadHalves, publishedParts } from '../../../src/models/hybrid.ts'
import { ConfigError } from '../../../src/util/errors.ts'
import type { Logger } from '../../../src/util/logger.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const images = (): Tensor =>
  torch.tensor(
    Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(0.3 * i)),
    { shape: [2, 3, 32, 32] },
  )
const halves = { cnnModel: 'resnet_test', vitModel: 'vit_test' }

describe('hybrid', () => {
  it('is what the configuration asks for with two models', async () => {
    using model = await createBackbone({
      backbone: { name: 'resnet18', pretrained: false, ...halves, fusion: 'gate', fusionWidth: 12, useCbam: false },
      imageSize: 32,
      device: 'cpu',
      seed: 1,
    })
    assert.equal(model.name, 'hybrid')
    assert.equal(model.numFeatures, 12)
    const names = [...model.namedParameters().keys()]
    for (const name of ['cnn.conv1.weight', 'vit.cls_token', 'fusion.gate.weight'])
      assert.ok(names.includes(name), name)
    assert.ok(!names.some((name) => name.includes('cbam') || name.startsWith('head')))
  })

  it('with one of them is that network', async () => {
    using model = await createBackbone({
      backbone: { name: 'resnet18', pretrained: false, vitModel: 'vit_test' },
      imageSize: 32,
      device: 'cpu',
      seed: 1,
    })
    assert.equal(model.name, 'vit_test')
  })

  it('takes the weights of both halves, and its features are theirs', async () => {
    await torch.scope(async () => {
      using hybrid = await createModel('hybrid', { ...halves, imageSize: 32, numClasses: 0, seed: 1 })
      using cnn = await createModel('resnet_test', { imageSize: 32, numClasses: 0, seed: 5 })
      await loadHalves(hybrid, { ...halves, dropPathRate: 0.1, patchSize: 8 }, async (name, options) => {
        assert.deepEqual(options, name === 'vit_test' ? { dropPathRate: 0.1, patchSize: 8 } : { dropPathRate: 0.1 })
        return createModel(name, { imageSize: 32, numClasses: 0, seed: name === 'resnet_test' ? 5 : 6 })
      })
      hybrid.eval()
      cnn.eval()
      const fused = (await hybrid.forward(images())).toArray()
      const expected = (await cnn.forward(images())).toArray()
      const width = hybrid.numFeatures
      expected.forEach((value, i) => {
        const at = Math.floor(i / cnn.numFeatures) * width + (i % cnn.numFeatures)
        assert.ok(Math.abs((fused[at] as number) - value) < 1e-5 * (1 + Math.abs(value)))
      })
    })
  })

  it('takes adapters, which leave the gate to be trained', async () => {
    using model = await createModel('hybrid', {
      ...{ ...halves, imageSize: 32, numClasses: 0, fusion: 'gate', fusionWidth: 8, loraRank: 2, useIa3: true },
    })
    const trained = [...model.namedParameters()].flatMap(([name, tensor]) => (tensor.requiresGrad ? [name] : []))
    assert.ok(trained.includes('vit.blocks.0.attn.qkv.lora_A'), trained.join())
    assert.deepEqual(
      trained.filter((name) => !/\.(lora_A|lora_B|ia3_l)$/.test(name)),
      ['cnn', 'vit', 'gate'].flatMap((part) => [`fusion.${part}.weight`, `fusion.${part}.bias`]),
    )
  })

  it('fetches what its halves were published with', async () => {
    assert.deepEqual(publishedParts({ name: 'hybrid' }), ['convnextv2_tiny', 'vit_small_patch14_dinov2'])
    assert.deepEqual(publishedParts({ name: 'hybrid', ...halves }), ['resnet_test', 'vit_test'])
    assert.deepEqual(publishedParts({ name: 'resnet18' }), ['resnet18'])
    await assert.rejects(createModel('hybrid', { ...halves, imageSize: 32, pretrained: true }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /resnet_test: pretrained: true asks for published weights, and none .* are known/)
      return true
    })
  })
})

describe('CBAM and MixStyle', () => {
  it('are off unless they are switched on, and refused without effect', async () => {
    const names = async (options: object): Promise<string[]> => {
      using model = await createModel('convnext_test', { numClasses: 0, ...options })
      return [...model.namedParameters().keys()].filter((name) => name.includes('cbam'))
    }
    assert.deepEqual(await names({ useCbam: false, useMixstyle: false }), [])
    assert.ok((await names({ useCbam: true })).includes('stages.3.blocks.0.cbam.SpatialGate.spatial.conv.weight'))
    await assert.rejects(createModel('convnext_test', { mixstyleP: 0.2 }), /mixstyle_p is set but use_mixstyle is not/)
  })

  it('start afresh where weights of the plain network are loaded', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trivium-cbam-'))
    try {
      const path = join(folder, 'plain.safetensors')
      using plain = await createModel('resnet_test', { numClasses: 3, imageSize: 32, seed: 1 })
      await saveSafetensors(path, plain.stateDict())
      const warnings: string[] = []
      const logger: Logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
      using model = await createModel('resnet_test', {
        ...{ numClasses: 3, imageSize: 32, seed: 2, useCbam: true, pretrained: path, logger },
      })
      assert.deepEqual(
        model.stateDict().get('layer1.0.conv1.weight')?.toArray(),
        plain.stateDict().get('layer1.0.conv1.weight')?.toArray(),
      )
      assert.match(warnings.join('\n'), /layer4\.0\.cbam\.SpatialGate\.spatial\.bn\.num_batches_tracked.*start afresh/)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('MixStyle mixes while training alone', async () => {
    await torch.scope(async () => {
      using model = await createModel('resnet_test', {
        ...{ numClasses: 0, imageSize: 32, seed: 2, useMixstyle: true, mixstyleP: 1, mixstyleAlpha: 0.3 },
      })
      const features = async (seed: number): Promise<number[]> => {
        torch.manualSeed(seed)
        return (await model.forward(images())).toArray()
      }
      model.train()
      assert.notDeepEqual(await features(1), await features(2))
      model.eval()
      assert.deepEqual(await features(1), await features(2))
    })
  })
})
