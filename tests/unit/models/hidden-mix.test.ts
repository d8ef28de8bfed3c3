import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigError, torch, type Tensor } from '../../../src/binding/index.ts'
import { createModel } from '../../../src/models/index.ts'

const noise = (count: number, side: number): Tensor =>
  torch.tensor(
    Float32Array.from({ length: count * 3 * side * side }, (_, i) => Math.sin(i * 0.37) + Math.cos(i * 0.011)),
    { shape: [count, 3, side, side] },
  )
const partners = (): Tensor => torch.tensor(BigInt64Array.from([1n, 2n, 0n]))
const largest = (a: Tensor, b: Tensor): number => torch.ops.amax(torch.ops.abs(torch.ops.sub(a, b)), [0, 1]).item()

describe('hidden mixing', () => {
  for (const name of ['resnet_test', 'convnextv2_test', 'swinv2_test', 'vit_test'])
    test(`${name}: mixing changes the output between its extremes, part by part`, async () => {
      const model = await createModel(name, { numClasses: 0, seed: 1 })
      model.eval()
      const images = noise(3, model.preprocessing.imageSize)
      await torch.noGrad(async () => {
        const plain = await model.native.forward(images)
        const counted = await model.native.forwardMixed(images, { part: -1 })
        assert.ok(largest(plain, counted.output) === 0)
        assert.ok(counted.parts.length >= 2, `${counted.parts.length} parts`)
        for (let part = 0; part < counted.parts.length; part++) {
          const mixed = async (lambda: number): Promise<Tensor> =>
            (await model.native.forwardMixed(images, { part, lambda, partners: partners() })).output
          assert.ok(largest(await mixed(1), plain) < 1e-5, 'λ = 1 is the own state')
          const swapped = torch.ops.indexSelect(plain, 0, partners())
          assert.ok(largest(await mixed(0), swapped) < 1e-4, 'λ = 0 is the partner’s')
          const half = await mixed(0.5)
          assert.ok(largest(half, plain) > 1e-4 && largest(half, swapped) > 1e-4)
        }
        await assert.rejects(
          model.native.forwardMixed(images, { part: counted.parts.length, partners: partners() }),
          ConfigError,
        )
      })
    })

  test('MixToken of a vision transformer exchanges whole tokens behind the patch embedding', async () => {
    const model = await createModel('vit_test', { numClasses: 0, seed: 1 })
    model.eval()
    const side = model.preprocessing.imageSize
    const images = noise(3, side)
    await torch.noGrad(async () => {
      const { parts } = await model.native.forwardMixed(images, { part: -1 })
      const grid = Math.floor(Math.sqrt(parts[0]?.[1] ?? 0))
      const mask = Uint8Array.from({ length: grid * grid }, (_, i) => (i % grid < grid / 2 ? 1 : 0))
      const own = torch.tensor(mask, { shape: [grid * grid] }).to('bool')
      const mixed = await model.native.forwardMixed(images, { part: 0, own, partners: partners() })
      // The same exchange among the pixels of the patches, before the embedding.
      const pixels = Uint8Array.from({ length: side * side }, (_, i) => (((i % side) * grid) / side < grid / 2 ? 1 : 0))
      const ownPixels = torch.tensor(pixels, { shape: [1, 1, side, side] }).to('bool')
      const exchanged = torch.ops.where(ownPixels, images, torch.ops.indexSelect(images, 0, partners()))
      assert.ok(largest(mixed.output, await model.native.forward(exchanged)) < 1e-4)
    })
  })

  test('MixToken refuses a convolutional network', async () => {
    const model = await createModel('resnet_test', { numClasses: 0, seed: 1 })
    const own = torch.tensor(Uint8Array.from([1, 0, 1, 0]), { shape: [4] }).to('bool')
    await assert.rejects(
      model.native.forwardMixed(noise(3, model.preprocessing.imageSize), { part: 0, own, partners: partners() }),
      (error: unknown) => error instanceof ConfigError && /cutmix/.test(error.message),
    )
  })
})
