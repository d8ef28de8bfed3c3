import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NativeModule, torch } from '../../../src/binding/index.ts'
import type { Batch } from '../../../src/data/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'
import { batchMixer } from '../../../src/phases/mixing.ts'
import type { MixingOptions } from '../../../src/phases/options/training.ts'

const SIDE = 32
const plain: MixingOptions = { mixMethod: 'none', mixAlpha: 1, mixProbability: 1, useManifoldMixup: false }

function batchOf(first: number, { views = 1, epoch = 0 }: { views?: number; epoch?: number } = {}): Batch {
  const size = 4
  const images = torch.tensor(
    Float32Array.from({ length: views * size * 3 * SIDE * SIDE }, (_, i) => Math.sin((i + first) * 0.13)),
    { shape: [views * size, 3, SIDE, SIDE] },
  )
  return {
    images,
    labels: torch.tensor(BigInt64Array.from([0n, 1n, 2n, 1n])),
    labelValues: Int32Array.from([0, 1, 2, 1]),
    ids: Int32Array.from({ length: size }, (_, i) => first + i),
    indices: Int32Array.from({ length: size }, (_, i) => first + i),
    size,
    views,
    epoch,
    dispose() {},
  }
}

async function networks(name: string, options: Record<string, number> = {}) {
  const backbone = await NativeModule.createBackbone(name, { num_classes: 0, seed: 1, ...options })
  const inFeatures = backbone.info.numFeatures as number
  const head = await NativeModule.createHead('linear', { in_features: inFeatures, out_features: 3, seed: 2 })
  return { backbone, head }
}

describe('mixing in a phase', () => {
  const methods = ['mixup', 'cutmix', 'fmix', 'tokenmix'] as const
  for (const mixMethod of methods)
    test(`${mixMethod}: the network and a teacher see the mixed pictures, labels have two parts`, async () => {
      const pair = await networks('vit_test', { image_size: SIDE })
      const mixer = batchMixer('train', { ...plain, mixMethod }, 5)
      const batch = batchOf(0)
      const step = await mixer.forward(pair, batch, 'float32')
      assert.deepEqual(step.outputs.shape, [4, 3])
      assert.notDeepEqual(step.images.data(), batch.images.data())
      assert.ok(
        step.labels.mixed !== null && Number(step.labels.mixed.lambda) >= 0 && Number(step.labels.mixed.lambda) <= 1,
      )
      assert.equal(step.hiddenPartners, null)
    })

  for (const [name, option] of [
    ['manifold mixup', { useManifoldMixup: true }],
    ['mixtoken', { mixMethod: 'mixtoken' }],
  ] as const)
    test(`${name}: mixed inside the network, the pictures stay, partners are named for the teacher`, async () => {
      const pair = await networks('vit_test', { image_size: SIDE })
      pair.backbone.train(false)
      let changed = 0
      for (let first = 0; first < 40; first += 4) {
        const batch = batchOf(first)
        const unmixed = (await batchMixer('train', plain, 5).forward(pair, batch, 'float32')).outputs.data()
        const step = await batchMixer('train', { ...plain, ...option }, 5).forward(pair, batch, 'float32')
        assert.equal(step.images, batch.images)
        assert.ok(step.hiddenPartners !== null && step.labels.mixed !== null)
        // on the few tokens of this network a box may be empty: then nothing is mixed, and λ says so
        if (step.labels.mixed.lambda === 1) assert.deepEqual(step.outputs.data(), unmixed)
        else {
          assert.notDeepEqual(step.outputs.data(), unmixed)
          changed++
        }
      }
      assert.ok(changed >= 3, `${changed} of 10 batches were mixed`)
    })

  test('manifold mixup reaches several depths', async () => {
    const { backbone, head } = await networks('resnet_test', { image_size: SIDE })
    const seen = new Set<number>()
    const forwardMixed = backbone.forwardMixed.bind(backbone)
    backbone.forwardMixed = (images, mix) => {
      if (mix.part >= 0) seen.add(mix.part)
      return forwardMixed(images, mix)
    }
    const mixer = batchMixer('train', { ...plain, useManifoldMixup: true }, 5)
    for (let i = 0; i < 30; i++) await mixer.forward({ backbone, head }, batchOf(i * 4), 'float32')
    assert.ok(seen.size >= 2, `depths ${[...seen].join(', ')}`)
  })

  test('the same batch of the same epoch is mixed alike, after a resume too; another epoch is not', async () => {
    const pair = await networks('vit_test', { image_size: SIDE })
    pair.backbone.train(false)
    const options: MixingOptions = { ...plain, mixMethod: 'cutmix', useManifoldMixup: true }
    const run = async (first: number, epoch: number) =>
      (await batchMixer('train', options, 5).forward(pair, batchOf(first, { epoch }), 'float32')).outputs.data()
    // a mixer that was used before
    const used = batchMixer('train', options, 5)
    for (let i = 0; i < 5; i++) await used.forward(pair, batchOf(i * 4), 'float32')
    const again = (await used.forward(pair, batchOf(100, { epoch: 2 }), 'float32')).outputs.data()
    assert.deepEqual(again, await run(100, 2))
    assert.notDeepEqual(await run(100, 3), await run(100, 2))
  })

  test('mix_probability leaves batches as they are; views of a sample keep one partner', async () => {
    const pair = await networks('vit_test', { image_size: SIDE })
    const rare = batchMixer('train', { ...plain, mixMethod: 'mixup', mixProbability: 0.3 }, 5)
    let mixed = 0
    for (let i = 0; i < 60; i++) {
      const step = await rare.forward(pair, batchOf(i * 4), 'float32')
      if (step.labels.mixed !== null) mixed++
    }
    assert.ok(mixed > 7 && mixed < 32, `${mixed} of 60`)
    const both = await batchMixer('supcon', { ...plain, mixMethod: 'mixup' }, 5).forward(
      pair,
      batchOf(0, { views: 2 }),
      'float32',
    )
    assert.equal(both.labels.own.shape[0], 8)
    const partner = Array.from(both.labels.mixed?.partner.data() as BigInt64Array)
    assert.deepEqual(partner.slice(4), partner.slice(0, 4))
  })

  test('mixtoken in a convolutional network is refused by name', async () => {
    const pair = await networks('resnet_test', { image_size: SIDE })
    await assert.rejects(
      batchMixer('arcface', { ...plain, mixMethod: 'mixtoken' }, 5).forward(pair, batchOf(0), 'float32'),
      (error: unknown) => error instanceof ConfigError && /arcface\.mix_method: mixtoken/.test(error.message),
    )
  })
})
