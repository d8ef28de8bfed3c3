import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NativeModule, torch, type Tensor } from '../../../src/binding/index.ts'
import { classScores, placesOf } from '../../../src/phases/class-activation.ts'
import { byContent } from '../../../src/phases/distill.ts'
import type { MixedStep } from '../../../src/phases/mixing.ts'

const pictures = (): Tensor =>
  torch.tensor(
    Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i * 0.37)),
    { shape: [2, 3, 32, 32] },
  )
const labels = (values: readonly number[]): Tensor => torch.tensor([...values], { dtype: 'int64' })

async function networks(name: string, kind: 'linear' | 'cosine', options: Record<string, number> = {}) {
  const backbone = await NativeModule.createBackbone(name, { num_classes: 0, seed: 1, ...options })
  const numFeatures = backbone.info.numFeatures as number
  const head = await NativeModule.createHead(kind, { in_features: numFeatures, out_features: 3, seed: 2 })
  backbone.train(false)
  return { backbone, head, numFeatures }
}

test('class activation › where features are averaged, the mean over the places is the score of the picture', async () => {
  for (const kind of ['linear', 'cosine'] as const)
    await torch.scope(async () => {
      const pair = await networks('small_cnn', kind, { width: 4 })
      const wanted = [2, 0]
      const map = await classScores(pair, kind, pictures(), labels(wanted), 'float32')
      assert.ok(map !== null && map.shape.length === 3 && (map.shape[1] ?? 0) > 1, String(map?.shape))
      const features = await pair.backbone.forward(pictures())
      const scores = (await pair.head.forward(features)).toArray()
      const zero = (await pair.head.forward(torch.zeros([1, pair.numFeatures]))).toArray()
      const lengths = torch.ops.linalgVectorNorm(features, 2, [1]).toArray()
      const means = torch.ops.mean(map, [1, 2]).toArray()
      wanted.forEach((label, i) => {
        const score = scores[3 * i + label] ?? NaN
        const expected = kind === 'linear' ? score - (zero[label] ?? NaN) : score * (lengths[i] ?? NaN)
        assert.ok(Math.abs((means[i] ?? NaN) - expected) < 1e-5, `${kind}: ${means[i]} and ${expected}`)
      })
    })
})

test('class activation › places come from maps of either layout and from tokens behind their prefix', async () => {
  await torch.scope(async () => {
    const { ops } = torch
    const channelsFirst = ops.randn([2, 5, 3, 3])
    const last = ops.permute(channelsFirst, [0, 2, 3, 1])
    const expected = last.toArray()
    assert.deepEqual(placesOf(channelsFirst, 5)?.toArray(), expected)
    assert.deepEqual(placesOf(last, 5)?.toArray(), expected)
    const tokens = ops.cat([ops.fullLike(ops.randn([2, 1, 5]), 9), ops.reshape(last, [2, 9, 5])], 1)
    assert.deepEqual(placesOf(tokens, 5)?.toArray(), expected)
    assert.equal(placesOf(channelsFirst, 4), null)
    assert.equal(placesOf(ops.randn([2, 5]), 5), null)
    assert.equal(placesOf(ops.randn([2, 25 + 9, 5]), 5), null)
    const vit = await networks('vit_test', 'cosine', { image_size: 32 })
    assert.deepEqual((await classScores(vit, 'cosine', pictures(), labels([0, 1]), 'float32'))?.shape, [2, 4, 4])
  })
})

test('class activation › TokenMix’s labels are those of the teacher’s maps, of several their mean, and of none the area’s', async () => {
  await torch.scope(async () => {
    const own = torch.tensor(Uint8Array.from([1, 1, 0, 0]), { shape: [2, 2] }).to('bool')
    const tokens = { images: pictures(), own, partners: labels([1, 0]) }
    const mixed = { partner: labels([2, 1]), lambda: 0.5 }
    const step = { labels: { own: labels([1, 2]), mixed }, tokens } as unknown as MixedStep
    const map = (values: readonly number[]): Tensor => torch.tensor(Float32Array.from(values), { shape: [2, 2, 2] })
    // the first picture's object stays, of the second's half, and the second gains nothing of the first's
    const sharp = map([1, 1, 0, 0, 1, 0, 1, 0])
    const asked: unknown[] = []
    const byMaps = (...maps: Tensor[]): Promise<MixedStep> =>
      byContent(step, {
        activations: (images, classes) => {
          asked.push(images, classes.toArray())
          return Promise.resolve(maps)
        },
      })
    const shares = async (...maps: Tensor[]): Promise<number[] | undefined> =>
      (await byMaps(...maps)).labels.mixed?.shares?.toArray().map((share) => Number(share.toFixed(5)))
    assert.deepEqual(await shares(sharp), [0.66667, 1])
    assert.deepEqual(asked, [tokens.images, [1, 2]])
    assert.deepEqual(await shares(sharp, map(Array(8).fill(1))), [0.58333, 0.75])
    assert.equal(await shares(), undefined)
    const plain = { ...step, tokens: null }
    assert.equal(await byContent(plain, { activations: () => Promise.reject(new Error('asked')) }), plain)
  })
})
