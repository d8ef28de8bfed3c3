import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import {
  adafaceLogits,
  arcfaceLoss,
  cosfaceLogits,
  cosineLogits,
  crossEntropyLoss,
  curricularfaceLogits,
  featureNorms,
  imageQuality,
  Margin,
  marginKinds,
  meanTargetCosine,
  mixedLabelLoss,
  updatedCurriculum,
  updatedNormStatistics,
  type MarginKind,
  type MarginOptions,
} from '../../../src/losses/index.ts'
import { createHead } from '../../../src/models/index.ts'
import { ShapeError } from '../../../src/util/errors.ts'
import { float64, gradientError, int64, largestDifference, noise, withGradient } from './helpers.ts'

interface Case {
  readonly margin: number
  readonly scale: number
  readonly loss: number
  readonly gradient: number[]
}

const golden = JSON.parse(readFileSync(new URL('../../golden/margin_losses.json', import.meta.url), 'utf8')) as {
  labels: number[]
  features: number[]
  cosface: Case[]
  cosfacePeer: { cosines: number[]; loss: number }
  adaface: (Case & {
    momentum: number
    start: [number, number] | null
    h: number
    mean: number
    std: number
    quality: number[]
    logits: number[]
  })[]
  adafaceSheet: { cosines: number[]; quality: number[]; target: number[]; loss: number }
  curricularface: (Case & { start: number; t: number })[]
  curricularfaceSheet: { t: number; loss: number }
  subCenters: { weight: number[]; loss: number }
}

const cosines = noise(2, 32).map((value) => value * 0.999)
const plain = { labelSmoothing: 0 }
const scalar = (value: number): Tensor => float64([value], [])
const defaults: MarginOptions = { margin: null, scale: 30, adafaceH: null, statisticsMomentum: null }

test('cosface › equals the formula in value and gradient, and pytorch-metric-learning in value', () => {
  for (const { loss, gradient, ...options } of golden.cosface) {
    const ours = withGradient(
      (c) => crossEntropyLoss(cosfaceLogits(c, int64(golden.labels), options), int64(golden.labels), plain),
      cosines,
      [8, 4],
    )
    assert.ok(Math.abs(ours.loss - loss) < 1e-10)
    assert.ok(largestDifference(ours.gradient, gradient) < 1e-10)
  }
  const peer = torch.scope(() => {
    const labels = int64(golden.labels)
    const c = float64(golden.cosfacePeer.cosines, [8, 4])
    return crossEntropyLoss(cosfaceLogits(c, labels, { margin: 0.35, scale: 30 }), labels, plain).item()
  })
  assert.ok(Math.abs(peer - golden.cosfacePeer.loss) < 1e-10)
})

test('adaface › statistics, quality, logits, loss and gradient equal the acos form', () => {
  for (const { start, momentum, mean, std, quality, logits, h, loss, gradient, ...options } of golden.adaface)
    torch.scope(() => {
      const norms = featureNorms(float64(golden.features, [8, 6]))
      const before = start === null ? null : { mean: scalar(start[0]), std: scalar(start[1]) }
      const statistics = updatedNormStatistics(norms, before, momentum)
      assert.ok(statistics !== null)
      assert.ok(Math.abs(statistics.mean.item() - mean) < 1e-12 && Math.abs(statistics.std.item() - std) < 1e-12)
      const k = imageQuality(norms, statistics, h)
      assert.ok(largestDifference(k.toArray(), quality) < 1e-12)
      const labels = int64(golden.labels)
      const ours = adafaceLogits(float64(cosines, [8, 4]), labels, k, options).toArray()
      assert.ok(largestDifference(ours, logits) < 1e-9, String(largestDifference(ours, logits)))
      const of = withGradient(
        (c) => crossEntropyLoss(adafaceLogits(c, labels, k, options), labels, plain),
        cosines,
        [8, 4],
      )
      assert.ok(Math.abs(of.loss - loss) < 1e-9)
      assert.ok(largestDifference(of.gradient, gradient) < 1e-8)
    })
})

test('adaface › gives the worked example: the angular margin is −m·k, the additive one m + m·k', () => {
  const { quality, target, loss } = golden.adafaceSheet
  assert.ok(largestDifference(quality, [0.316247, -0.347012, 0.030764]) < 1e-6)
  assert.ok(largestDifference(target, [30.132112, 24.480624, -87.348972]) < 1e-5)
  const ours = torch.scope(() => {
    const labels = int64([0, 1, 2])
    const c = float64(golden.adafaceSheet.cosines, [3, 3])
    return crossEntropyLoss(
      adafaceLogits(c, labels, float64(quality, [3]), { margin: 0.4, scale: 64 }),
      labels,
      plain,
    ).item()
  })
  assert.ok(Math.abs(ours - 26.528196) < 1e-6 && Math.abs(ours - loss) < 1e-9, String(ours))
})

test('adaface › one step of weight 0.01 from mean 20 and deviation 100 gives the loss of the sheet', () => {
  const ours = torch.scope(() => {
    const norms = featureNorms(float64([3, 1, 0.5, 0.2, 0.9, -0.4, -1, 0.3, -2], [3, 3]))
    const statistics = updatedNormStatistics(norms, { mean: scalar(20), std: scalar(100) }, 0.01)
    const labels = int64([0, 1, 2])
    const c = float64(golden.adafaceSheet.cosines, [3, 3])
    const k = imageQuality(norms, statistics, 0.333)
    return crossEntropyLoss(adafaceLogits(c, labels, k, { margin: 0.4, scale: 64 }), labels, plain).item()
  })
  assert.ok(Math.abs(ours - 26.348448) < 1e-6, String(ours))
})

test('adaface › the first batch sets the statistics, a single feature has none and the plain margin', () => {
  torch.scope(() => {
    const margin = new Margin('adaface', { ...defaults, margin: 0.4 })
    const one = float64([3, 4], [1, 2])
    const c = float64([0.5, 0.1], [1, 2])
    margin.observe(c, { own: int64([0]), mixed: null }, one)
    assert.equal(margin.state().size, 0)
    const [target] = margin.logits(c, int64([0]), one).toArray()
    assert.ok(Math.abs(target! - 30 * (0.5 - 0.4)) < 1e-9, 'k = 0 is CosFace')
    margin.observe(
      float64([0.5, 0.1, 0.2, 0.3], [2, 2]),
      { own: int64([0, 1]), mixed: null },
      float64([3, 4, 0, 1], [2, 2]),
    )
    const state = margin.state()
    assert.ok(Math.abs(state.get('norm_mean')!.item() - 3) < 1e-12)
    assert.ok(Math.abs(state.get('norm_std')!.item() - Math.sqrt(8)) < 1e-12)
    margin.dispose()
  })
})

test('adaface › no gradient flows through the length of a feature', () => {
  torch.scope(() => {
    const features = float64(noise(5, 12), [4, 3], true)
    assert.equal(featureNorms(features).requiresGrad, false)
  })
})

test('curricularface › t, loss and gradient equal the authors’ form', () => {
  for (const { start, t, loss, gradient, ...options } of golden.curricularface)
    torch.scope(() => {
      const labels = int64(golden.labels)
      const c = float64(cosines, [8, 4])
      const moved = updatedCurriculum(meanTargetCosine(c, labels), scalar(start), 0.01)
      assert.ok(Math.abs(moved.item() - t) < 1e-12)
      const ours = withGradient(
        (x) => crossEntropyLoss(curricularfaceLogits(x, labels, moved, options), labels, plain),
        cosines,
        [8, 4],
      )
      assert.ok(Math.abs(ours.loss - loss) < 1e-10)
      assert.ok(largestDifference(ours.gradient, gradient) < 1e-9)
    })
})

test('curricularface › gives the worked example: t moves before it is used, from the cosine without margin', () => {
  torch.scope(() => {
    const margin = new Margin('curricularface', { ...defaults, margin: 0.5, scale: 64 })
    const labels = int64([0, 1, 2])
    const c = float64(golden.adafaceSheet.cosines, [3, 3])
    margin.observe(c, { own: labels, mixed: null }, c)
    assert.ok(Math.abs(margin.state().get('t')!.item() - 0.00255768) < 1e-8)
    const loss = crossEntropyLoss(margin.logits(c, labels, c), labels, plain).item()
    assert.ok(Math.abs(loss - 29.05139) < 1e-5 && Math.abs(loss - golden.curricularfaceSheet.loss) < 1e-9, String(loss))
    margin.dispose()
  })
})

test('curricularface › the mask compares with cos(θ_y + m), and the target column is written last', () => {
  torch.scope(() => {
    // below the plain target cosine and above cos(θ_y + m): hard
    const between = Math.cos(Math.acos(0.8) + 0.25)
    const options = { margin: 0.5, scale: 1 }
    const [target, other] = curricularfaceLogits(
      float64([0.8, between], [1, 2]),
      int64([0]),
      scalar(0.3),
      options,
    ).toArray()
    assert.ok(Math.abs(target! - Math.cos(Math.acos(0.8) + 0.5)) < 1e-9)
    assert.ok(Math.abs(other! - between * (0.3 + between)) < 1e-9)
  })
})

test('margins › gradients agree with finite differences', () => {
  const c = noise(21, 12).map((value) => value * 0.9)
  const features = float64(
    noise(5, 24).map((v) => v * 9),
    [4, 6],
  )
  const labels = int64([0, 1, 2, 0])
  for (const kind of marginKinds) {
    const margin = new Margin(kind, { ...defaults, scale: 10 })
    torch.scope(() => margin.observe(float64(c, [4, 3]), { own: labels, mixed: null }, features))
    const error = gradientError((x) => crossEntropyLoss(margin.logits(x, labels, features), labels, plain), c, [4, 3])
    assert.ok(error < 1e-5, `${kind}: ${error}`)
    margin.dispose()
  }
})

test('margins › stay finite at cos θ = ±1, float32 and float64, and compute in float32 from bfloat16 and float16', () => {
  for (const kind of marginKinds)
    for (const extreme of [1, -1, 0.9999999, -0.9999999])
      for (const dtype of ['float64', 'float32', 'bfloat16', 'float16'] as const)
        torch.scope(() => {
          const margin = new Margin(kind, { ...defaults, scale: 64 })
          const features = float64([3, 4, 0.3, 0.4], [2, 2])
          const leaf = float64([extreme, 0.1, -0.2, 0.3, -extreme, 0.2], [2, 3], true)
          const c = leaf.to(dtype)
          margin.observe(c, { own: int64([0, 1]), mixed: null }, features)
          const logits = margin.logits(c, int64([0, 1]), features)
          assert.equal(logits.dtype, dtype === 'float64' ? 'float64' : 'float32')
          const loss = crossEntropyLoss(logits, int64([0, 1]), plain)
          loss.backward()
          assert.ok(Number.isFinite(loss.item()) && leaf.grad!.toArray().every(Number.isFinite), `${kind} ${extreme}`)
          margin.dispose()
        })
})

test('margins › each has the default margin of its paper, and none on the columns of other classes', () => {
  const expected: Record<MarginKind, number> = {
    arcface: Math.cos(Math.acos(0.6) + 0.5),
    cosface: 0.6 - 0.35,
    adaface: 0.6 - 0.4,
    curricularface: Math.cos(Math.acos(0.6) + 0.5),
  }
  for (const kind of marginKinds)
    torch.scope(() => {
      const features = float64([1, 0], [1, 2])
      const logits = new Margin(kind, { ...defaults, scale: 1 }).logits(
        float64([0.6, -0.9], [1, 2]),
        int64([0]),
        features,
      )
      assert.ok(largestDifference(logits.toArray(), [expected[kind], -0.9]) < 1e-9, kind)
      // what is scored without labels has no margin
      assert.deepEqual(cosineLogits(float64([0.6, -0.9], [1, 2]), 1).toArray(), [0.6, -0.9])
    })
})

test('margins › the statistics come back from a snapshot’s part, bit for bit', () => {
  for (const kind of ['adaface', 'curricularface'] as const)
    torch.scope(() => {
      const labels = { own: int64(golden.labels), mixed: null }
      const inputs = [float64(cosines, [8, 4]), float64(golden.features, [8, 6])] as const
      const [first, second] = [new Margin(kind, defaults), new Margin(kind, defaults)]
      first.observe(inputs[0], labels, inputs[1])
      second.restore(first.state())
      first.observe(inputs[0], labels, inputs[1])
      second.observe(inputs[0], labels, inputs[1])
      const [a, b] = [first, second].map((m) => [...m.state()].map(([name, value]) => [name, value.item()]))
      assert.deepEqual(a, b)
      assert.ok(a!.length > 0)
      const fresh = new Margin(kind, defaults)
      fresh.observe(inputs[0], labels, inputs[1])
      if (kind === 'curricularface')
        assert.notDeepEqual(
          [...fresh.state()].map(([n, v]) => [n, v.item()]),
          a,
        )
      for (const margin of [first, second, fresh]) margin.dispose()
    })
  assert.throws(
    () => torch.scope(() => new Margin('adaface', defaults).restore(new Map([['norm_mean', float64([1], [1])]]))),
    ShapeError,
  )
})

test('margins › statistics outlive the scope of their step and are freed by dispose', () => {
  const before = torch.liveTensors()
  const margin = new Margin('curricularface', defaults)
  for (let step = 0; step < 3; step++)
    torch.scope(() => {
      const c = float64(cosines, [8, 4])
      margin.observe(c, { own: int64(golden.labels), mixed: null }, c)
    })
  assert.equal(torch.liveTensors(), before + 1)
  margin.dispose()
  assert.equal(torch.liveTensors(), before)
})

test('margins › of mixed labels each term has its own margin; t moves once, by the mixture of both targets', () => {
  for (const kind of marginKinds)
    torch.scope(() => {
      const c = float64(cosines, [8, 4])
      const features = float64(golden.features, [8, 6])
      const own = int64(golden.labels)
      const partner = int64([1, 0, 0, 3, 2, 2, 1, 3])
      const labels = { own, mixed: { partner, lambda: 0.3 } }
      const margin = new Margin(kind, defaults)
      margin.observe(c, labels, features)
      if (kind === 'curricularface') {
        const mean = 0.3 * meanTargetCosine(c, own).item() + 0.7 * meanTargetCosine(c, partner).item()
        assert.ok(Math.abs(margin.state().get('t')!.item() - 0.01 * mean) < 1e-12)
      }
      const of = (hard: Tensor): Tensor => crossEntropyLoss(margin.logits(c, hard, features), hard, plain)
      const loss = mixedLabelLoss(labels, of).item()
      assert.ok(Math.abs(loss - 0.3 * of(own).item() - 0.7 * of(partner).item()) < 1e-10, kind)
      assert.ok(Math.abs(of(own).item() - of(partner).item()) > 1e-3)
      margin.dispose()
    })
})

test('margins › statistics_momentum and adaface_h are used', () => {
  torch.scope(() => {
    const c = float64(cosines, [8, 4])
    const features = float64(golden.features, [8, 6])
    const labels = { own: int64(golden.labels), mixed: null }
    const t = (statisticsMomentum: number | null): number => {
      const margin = new Margin('curricularface', { ...defaults, statisticsMomentum })
      margin.observe(c, labels, features)
      return margin.state().get('t')!.item()
    }
    assert.ok(Math.abs(t(0.5) - 50 * t(null)) < 1e-12)
    const logits = (adafaceH: number | null): number[] => {
      const margin = new Margin('adaface', { ...defaults, adafaceH })
      margin.observe(c, labels, features)
      return margin.logits(c, labels.own, features).toArray()
    }
    assert.ok(largestDifference(logits(0.333), logits(null)) === 0)
    assert.ok(largestDifference(logits(0.1), logits(null)) > 0.1)
  })
})

test('sub-centers › the cosine head and the angular margin equal pytorch-metric-learning’s SubCenterArcFaceLoss', async () => {
  await torch.scope(async () => {
    const head = await createHead({ kind: 'cosine', inFeatures: 6, numClasses: 4, subCenters: 3 })
    await head.loadStateDict(new Map([['weight', torch.tensor(golden.subCenters.weight, { shape: [12, 6] })]]))
    const cosine = await head.forward(torch.tensor(golden.features, { shape: [8, 6] }))
    assert.deepEqual(cosine.shape, [8, 4])
    const loss = arcfaceLoss(cosine, int64(golden.labels), { margin: 0.5, scale: 16, labelSmoothing: 0 }).item()
    assert.ok(Math.abs(loss - golden.subCenters.loss) < 1e-4, `${loss} and ${golden.subCenters.loss}`)
    head.dispose()
  })
})
