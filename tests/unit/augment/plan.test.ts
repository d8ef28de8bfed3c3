import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AugmentPlan,
  consistencyPlan,
  evaluationPlan,
  registerAugmentation,
  trainingPlan,
} from '../../../src/augment/index.ts'
import type { AugmentationOptions, Operation, PlanOptions } from '../../../src/augment/index.ts'
import { ConfigError, ShapeError, torch } from '../../../src/binding/index.ts'
import type { Tensor } from '../../../src/binding/index.ts'
import { liveTensors } from '../../support/live-tensors.ts'

const SIDE = 8
/** mean 0 and std 1/255 give the grey levels themselves. */
const raw = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] }
const options = (o: Partial<PlanOptions> = {}): PlanOptions => ({
  imageSize: SIDE,
  inputHeight: SIDE,
  inputWidth: SIDE,
  seed: 5,
  ...raw,
  ...o,
})

/** Every pixel tells its image, row, column and channel. */
function pictures(count: number, side = SIDE): Tensor {
  const pixels = new Uint8Array(count * side * side * 3)
  for (let i = 0, at = 0; i < count; i++)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        for (let c = 0; c < 3; c++) pixels[at++] = (i * 61 + y * 29 + x * 3 + c * 101 + 1) % 256
  return torch.tensor(pixels, { shape: [count, side, side, 3] })
}
const identities = (ids: readonly number[]): Tensor => torch.tensor(BigInt64Array.from(ids, BigInt))
const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)

/** [N, 3, S, S] float → grey levels [N][S][S][3] flat, rounded. */
function levels(tensor: Tensor): Uint8Array {
  const [n = 0, c = 0, h = 0, w = 0] = tensor.shape
  const values = tensor.data() as Float32Array
  const out = new Uint8Array(values.length)
  for (let i = 0; i < n; i++)
    for (let k = 0; k < c; k++)
      for (let p = 0; p < h * w; p++)
        out[(i * h * w + p) * 3 + k] = Math.round(values[(i * c + k) * h * w + p] as number)
  return out
}

async function run(
  augmentations: AugmentationOptions,
  o: {
    plan?: Partial<PlanOptions>
    count?: number
    ids?: number[]
    epoch?: number
    views?: number
    side?: number
  } = {},
): Promise<Uint8Array> {
  const count = o.count ?? 4
  const result = await trainingPlan(augmentations, options(o.plan)).apply(
    pictures(count, o.side),
    identities(o.ids ?? range(count)),
    { epoch: o.epoch ?? 0, views: o.views ?? 1 },
  )
  return levels(result)
}

describe('augmentation plan', () => {
  test('normalises as (x / 255 − mean) / std, channel by channel', async () => {
    const mean = [0.1, 0.5, 0.9]
    const std = [0.2, 0.25, 0.5]
    const images = pictures(2)
    const pixels = images.data() as Uint8Array
    const result = await evaluationPlan(options({ mean, std })).apply(images, identities([0, 1]), {
      epoch: 0,
      views: 1,
    })
    assert.deepEqual(result.shape, [2, 3, SIDE, SIDE])
    const values = result.data()
    for (let i = 0; i < 2; i++)
      for (let c = 0; c < 3; c++)
        for (let p = 0; p < SIDE * SIDE; p++) {
          const expected =
            ((pixels[(i * SIDE * SIDE + p) * 3 + c] as number) / 255 - (mean[c] as number)) / (std[c] as number)
          assert.ok(Math.abs(Number(values[(i * 3 + c) * SIDE * SIDE + p]) - expected) < 1e-5)
        }
  })

  test('the result is channels-last in memory', async () => {
    const result = await evaluationPlan(options()).apply(pictures(2), identities([0, 1]), { epoch: 0, views: 1 })
    const strides = torch.call('aten::stride.int', result, 1)
    assert.equal(Number(strides), 1)
  })

  test('without any operation the pixels come through unchanged', async () => {
    assert.deepEqual(await run({}), pictures(4).data())
  })

  test('horizontal flip with p = 1 mirrors every row, with p = 0 none', async () => {
    const flipped = await run({ horizontalFlip: { p: 1 } })
    const original = pictures(4).data() as Uint8Array
    for (let row = 0; row < 4 * SIDE; row++)
      for (let x = 0; x < SIDE; x++)
        for (let c = 0; c < 3; c++)
          assert.equal(flipped[(row * SIDE + x) * 3 + c], original[(row * SIDE + SIDE - 1 - x) * 3 + c])
    assert.deepEqual(await run({ horizontalFlip: { p: 0 } }), original)
  })

  test('horizontal flip by default mirrors about half of the images', async () => {
    const count = 400
    const size = SIDE * SIDE * 3
    const result = await run({ horizontalFlip: true }, { count })
    const original = pictures(count).data() as Uint8Array
    const flips = range(count).filter((i) => result[i * size] !== original[i * size]).length
    assert.ok(flips > 150 && flips < 250, `${flips} of ${count}`)
  })

  test('random crop cuts a window of the padded picture, at every offset, filled as asked', async () => {
    const padding = 2
    const count = 500
    const original = pictures(count).data() as Uint8Array
    for (const fill of [0, 200, 'reflect'] as const) {
      const result = await run({ randomCrop: { padding, fill } }, { count })
      const offsets = new Set<string>()
      const at = (i: number, y: number, x: number, c: number): number => {
        const mirror = (v: number): number => (v < 0 ? -v : v >= SIDE ? 2 * (SIDE - 1) - v : v)
        if (fill !== 'reflect' && (y < 0 || x < 0 || y >= SIDE || x >= SIDE)) return fill
        return original[((i * SIDE + mirror(y)) * SIDE + mirror(x)) * 3 + c] as number
      }
      for (let i = 0; i < count; i++) {
        const fits: string[] = []
        for (let top = -padding; top <= padding; top++)
          for (let left = -padding; left <= padding; left++) {
            let equal = true
            for (let y = 0; equal && y < SIDE; y++)
              for (let x = 0; equal && x < SIDE; x++)
                for (let c = 0; equal && c < 3; c++)
                  equal = result[((i * SIDE + y) * SIDE + x) * 3 + c] === at(i, top + y, left + x, c)
            if (equal) fits.push(`${top},${left}`)
          }
        assert.equal(fits.length, 1, `image ${i} is no window of the padded picture`)
        offsets.add(fits[0] as string)
      }
      assert.equal(offsets.size, (2 * padding + 1) ** 2, `fill ${fill}`)
    }
  })

  test('the default padding of a random crop is an eighth of the image size, none for larger inputs', () => {
    const padding = (o: Partial<PlanOptions>): unknown =>
      (
        trainingPlan({ randomCrop: true }, options(o)).operations.find(
          ({ name }) => name === 'random_crop',
        ) as Operation
      ).options['padding']
    assert.equal(padding({ imageSize: 32, inputHeight: 32, inputWidth: 32 }), 4)
    assert.equal(padding({ imageSize: 224, inputHeight: 256, inputWidth: 256 }), 0)
  })

  test('an image draws the same whatever batch it comes in', async () => {
    const augmentations = { randomCrop: { padding: 3 }, horizontalFlip: true }
    const size = SIDE * SIDE * 3
    const plan = trainingPlan(augmentations, options())
    const all = pictures(16)
    const together = levels(await plan.apply(all, identities(range(16, 100)), { epoch: 3, views: 1 }))
    const pixels = all.data() as Uint8Array
    const order = [11, 2, 7]
    const few = torch.tensor(
      Uint8Array.from(order.flatMap((i) => Array.from(pixels.subarray(i * size, (i + 1) * size)))),
      {
        shape: [3, SIDE, SIDE, 3],
      },
    )
    const apart = levels(await plan.apply(few, identities(order.map((i) => 100 + i)), { epoch: 3, views: 1 }))
    order.forEach((i, row) =>
      assert.deepEqual(apart.subarray(row * size, (row + 1) * size), together.subarray(i * size, (i + 1) * size)),
    )
  })

  test('a result too large for the caches, which is written past them, is the same', async () => {
    const side = 224
    const plan = { imageSize: side, inputHeight: side, inputWidth: side }
    const augmentations = { horizontalFlip: true, randomErasing: { p: 0.5 } }
    const all = await run(augmentations, { plan, count: 30, side })
    assert.ok(all.length * 4 > 2 ** 24)
    const few = await run(augmentations, { plan, count: 3, side })
    assert.deepEqual(all.subarray(0, few.length), few)
  })

  test('the number of threads changes nothing', async () => {
    const augmentations = { randomCrop: { padding: 3 }, horizontalFlip: true }
    const before = torch.getNumThreads()
    const results: Uint8Array[] = []
    for (const threads of [1, 2, 4]) {
      torch.setNumThreads(threads)
      results.push(await run(augmentations, { count: 300, views: 2 }))
    }
    torch.setNumThreads(before)
    assert.deepEqual(results[1], results[0])
    assert.deepEqual(results[2], results[0])
  })

  test('epoch, view, id and seed each give other draws', async () => {
    const augmentations = { randomCrop: { padding: 4 }, horizontalFlip: true }
    const base = await run(augmentations, { count: 32 })
    assert.deepEqual(await run(augmentations, { count: 32 }), base)
    assert.notDeepEqual(await run(augmentations, { count: 32, epoch: 1 }), base)
    assert.notDeepEqual(await run(augmentations, { count: 32, ids: range(32, 1000) }), base)
    assert.notDeepEqual(await run(augmentations, { count: 32, plan: { seed: 6 } }), base)
    const views = await run(augmentations, { count: 32, views: 2 })
    assert.deepEqual(views.subarray(0, views.length / 2), base)
    assert.notDeepEqual(views.subarray(views.length / 2), base)
  })

  test('random resized crop of the whole picture at its own size is the picture', async () => {
    const augmentations = { randomResizedCrop: { scale: [1, 1], ratio: [1, 1] } } as const
    assert.deepEqual(await run(augmentations), pictures(4).data())
  })

  test('random resized crop ends with the image size and depends on scale', async () => {
    const plan = { imageSize: 6, inputHeight: 16, inputWidth: 16 }
    const small = await run({ randomResizedCrop: { scale: [0.05, 0.1] } }, { plan, side: 16 })
    const large = await run({ randomResizedCrop: { scale: [0.9, 1] } }, { plan, side: 16 })
    assert.equal(small.length, 4 * 6 * 6 * 3)
    assert.notDeepEqual(small, large)
    assert.notDeepEqual(
      await run({ randomResizedCrop: { scale: [0.05, 0.1], ratio: [3, 4] } }, { plan, side: 16 }),
      small,
    )
    assert.notDeepEqual(
      await run({ randomResizedCrop: { scale: [0.05, 0.1], interpolation: 'bicubic' } }, { plan, side: 16 }),
      small,
    )
  })

  test('an evaluation plan takes the centre of a larger picture, with torchvision’s offset', async () => {
    const plan = evaluationPlan(options({ imageSize: 5 }))
    const result = levels(await plan.apply(pictures(1), identities([0]), { epoch: 0, views: 1 }))
    const original = pictures(1).data() as Uint8Array
    // (8 − 5) / 2 = 1.5, rounded to even: 2.
    for (let y = 0; y < 5; y++)
      for (let x = 0; x < 5; x++) assert.equal(result[(y * 5 + x) * 3], original[((y + 2) * SIDE + x + 2) * 3])
  })

  test('inputs smaller than the image size are resampled, for training and evaluation', async () => {
    const o = options({ imageSize: 16 })
    const names = (operations: readonly { name: string }[]): string[] => operations.map(({ name }) => name)
    assert.deepEqual(names(evaluationPlan(o).operations), ['resize'])
    assert.deepEqual(names(trainingPlan({ randomCrop: true, horizontalFlip: true }, o).operations), [
      'resize',
      'random_crop',
      'horizontal_flip',
    ])
    const result = await evaluationPlan(o).apply(pictures(1), identities([0]), { epoch: 0, views: 1 })
    assert.deepEqual(result.shape, [1, 3, 16, 16])
  })

  test('a consistency plan: view 0 is clean, the others are augmented versions of the same crop', async () => {
    const augmentations = [
      { randomCrop: { padding: 2 } },
      { randaugment: { numOps: 3, magnitude: 20 } },
      'invert',
    ] as const
    const apply = (plan: AugmentPlan, views: number) =>
      plan.apply(pictures(4), identities(range(4)), { epoch: 1, views })
    const three = levels(await apply(consistencyPlan(augmentations, options()), 3))
    const view = (at: number): Uint8Array => three.subarray((at * three.length) / 3, ((at + 1) * three.length) / 3)
    assert.deepEqual(view(0), levels(await apply(trainingPlan(augmentations.slice(0, 1), options()), 1)))
    assert.notDeepEqual(view(1), view(2))
    // with transformations that do nothing every version is the same crop
    const still = [{ randomCrop: { padding: 2 } }, { randaugment: { numOps: 0 } }] as const
    const same = levels(await apply(consistencyPlan(still, options()), 3))
    for (const at of [0, 1, 2])
      assert.deepEqual(same.subarray((at * same.length) / 3, ((at + 1) * same.length) / 3), view(0))
    const drawn = await consistencyPlan(augmentations, options()).draws(pictures(1), identities([0]), {
      epoch: 1,
      views: 3,
    })
    assert.deepEqual(
      drawn.map(([first]) => first),
      [drawn[0]?.[0], drawn[0]?.[0], drawn[0]?.[0]],
    )
    assert.deepEqual([drawn.length, drawn[0]?.length, (drawn[1]?.length ?? 0) > 1], [3, 1, true])
    assert.throws(() => consistencyPlan({ randomCrop: true }, options()), ConfigError)
  })

  test('refuses two crops at once', () => {
    assert.throws(() => trainingPlan({ randomCrop: true, randomResizedCrop: true }, options()), ConfigError)
  })

  test('refuses images, ids, views and operations that do not fit', async () => {
    const plan = evaluationPlan(options())
    const one = { epoch: 0, views: 1 }
    await assert.rejects(plan.apply(torch.zeros([2, SIDE, SIDE, 3]), identities([0, 1]), one), ShapeError)
    await assert.rejects(plan.apply(pictures(2), identities([0]), one), ShapeError)
    await assert.rejects(plan.apply(pictures(2), identities([0, 1]), { epoch: 0, views: 0 }), ShapeError)
    await assert.rejects(
      evaluationPlan(options({ imageSize: 4 })).apply(pictures(1, 2), identities([0]), one),
      ShapeError,
    )
    assert.throws(() => new AugmentPlan([{ name: 'nonsense', options: {} }], options()), ConfigError)
    assert.throws(() => new AugmentPlan([{ name: 'horizontal_flip', options: { q: 1 } }], options()), ConfigError)
    assert.throws(() => evaluationPlan(options({ std: [1, 0, 1] })), ConfigError)
  })

  test('leaves no tensor behind', async () => {
    const before = await liveTensors()
    await torch.scope(async () => {
      await run({ randomCrop: true, horizontalFlip: true })
    })
    assert.equal(torch.liveTensors(), before)
  })
})

/** Every kind of operation at once. */
const full: AugmentationOptions = {
  randomCrop: { padding: 2, fill: 'reflect' },
  horizontalFlip: true,
  rotation: { degrees: 20, p: 0.5 },
  autoaugment: 'cifar10',
  randaugment: { numOps: 2, magnitude: 9 },
  trivialaugment: true,
  augmix: true,
  colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  greyscale: true,
  gaussianBlur: true,
  sharpness: true,
  solarize: true,
  randomErasing: { p: 0.5, value: 'random' },
}

describe('random numbers of a plan', () => {
  const apply = async (
    images: Tensor,
    ids: readonly number[],
    request: { epoch: number; views?: number; firstView?: number; threads?: number },
  ): Promise<Float32Array> => {
    const batch = await trainingPlan(full, options()).apply(images, identities(ids), request)
    return torch.ops.permute(batch, [0, 2, 3, 1]).data() as Float32Array
  }
  const rows = (images: Tensor, order: readonly number[]): Tensor => torch.ops.indexSelect(images, 0, identities(order))
  const size = SIDE * SIDE * 3

  test('one, two and four threads give the same batch', async () => {
    const images = pictures(200)
    const one = await apply(images, range(200), { epoch: 1, views: 2, threads: 1 })
    for (const threads of [2, 4])
      assert.deepEqual(await apply(images, range(200), { epoch: 1, views: 2, threads }), one)
  })

  test('another order of arrival, another batch size and a resume give each sample the same', async () => {
    const images = pictures(60)
    const whole = await apply(images, range(60), { epoch: 4 })
    const order = [...range(30, 30).reverse(), 3, 1, 2]
    const part = await apply(rows(images, order), order, { epoch: 4 })
    order.forEach((sample, row) =>
      assert.deepEqual(
        part.subarray(row * size, (row + 1) * size),
        whole.subarray(sample * size, (sample + 1) * size),
        `sample ${sample}`,
      ),
    )
  })

  test('view k of a call is view 0 of a call that starts at k', async () => {
    const images = pictures(20)
    const both = await apply(images, range(20), { epoch: 0, views: 2 })
    const second = await apply(images, range(20), { epoch: 0, views: 1, firstView: 1 })
    assert.deepEqual(both.subarray(20 * size), second)
  })
})

describe('erasing', () => {
  const normalised = async (augmentations: AugmentationOptions, count: number): Promise<Float32Array> => {
    const plan = trainingPlan(augmentations, options({ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] }))
    const white = torch.tensor(new Uint8Array(count * SIDE * SIDE * 3).fill(255), { shape: [count, SIDE, SIDE, 3] })
    const batch = await plan.apply(white, identities(range(count)), { epoch: 0 })
    return torch.ops.permute(batch, [0, 2, 3, 1]).data() as Float32Array
  }
  const size = SIDE * SIDE * 3
  /** Of the erased pixels of a picture that was 2 everywhere: how many, and whether they fill a box. */
  const erased = (values: Float32Array, image: number): { count: number; box: boolean } => {
    const places = range(SIDE * SIDE).filter((p) => values[image * size + p * 3] !== 2)
    const ys = places.map((p) => Math.floor(p / SIDE))
    const xs = places.map((p) => p % SIDE)
    const area = (Math.max(...ys) - Math.min(...ys) + 1) * (Math.max(...xs) - Math.min(...xs) + 1)
    return { count: places.length, box: places.length === 0 || area === places.length }
  }

  test('happens to the normalised picture, in one box of the asked area, with probability p', async () => {
    const values = await normalised({ randomErasing: { p: 0.5, scale: [0.2, 0.3], value: -1.5 } }, 400)
    const found = range(400).map((i) => erased(values, i))
    const touched = found.filter(({ count }) => count > 0)
    assert.ok(touched.length > 150 && touched.length < 250, `${touched.length} of 400`)
    assert.ok(touched.every(({ box, count }) => box && count >= 8 && count <= 24))
    assert.ok(values.every((value) => value === 2 || value === -1.5))
  })

  test('per pixel draws standard normal values', async () => {
    const values = await normalised({ randomErasing: { p: 1, scale: [0.5, 0.6], ratio: [1, 1], value: 'random' } }, 300)
    const drawn = values.filter((value) => value !== 2)
    const mean = drawn.reduce((a, b) => a + b, 0) / drawn.length
    const variance = drawn.reduce((a, b) => a + (b - mean) ** 2, 0) / drawn.length
    assert.ok(drawn.length > 20_000, `${drawn.length}`)
    assert.ok(Math.abs(mean) < 0.03, `mean ${mean}`)
    assert.ok(Math.abs(variance - 1) < 0.05, `variance ${variance}`)
  })

  test('cutout sets squares of the mean colour, clipped at the border, about uniform centres', async () => {
    const values = await normalised({ cutout: { size: 4 } }, 400)
    const counts = range(400).map((i) => erased(values, i))
    assert.ok(counts.every(({ box, count }) => box && count >= 4 && count <= 16))
    assert.ok(counts.some(({ count }) => count === 4) && counts.some(({ count }) => count === 16))
    assert.ok(values.every((value) => value === 2 || value === 0))
  })
})

describe('an operation that is a TypeScript function', () => {
  registerAugmentation('darken', ({ pixels, height, width }, rng) => {
    const by = 1 + rng.below(50)
    return { pixels: pixels.map((level) => Math.max(0, level - by)), height, width }
  })
  registerAugmentation('halve', ({ pixels, height, width }) => ({
    pixels: Uint8Array.from({ length: (height / 2) * width * 3 }, (_, i) => pixels[i] as number),
    height: height / 2,
    width,
  }))

  test('stands at its place among the native ones, with draws of its own', async () => {
    const list: AugmentationOptions = ['invert', { custom: 'darken' }, { invert: { p: 1 } }]
    const o = { count: 40, views: 2, epoch: 3 }
    const result = await run(list, o)
    assert.deepEqual(await run(list, o), result)
    const without = await run([{ invert: { p: 0 } }], o)
    const size = SIDE * SIDE * 3
    const steps = new Set<number>()
    range(80).forEach((i) => {
      // invert(max(0, x − by)) = min(255, invert(x) + by), with x inverted or not
      const [before = 0, after = 0] = [without[i * size], result[i * size]]
      steps.add(Math.min(Math.abs(after - before), Math.abs(after - (255 - before))))
    })
    assert.ok(steps.size > 10, `${steps.size} different steps`)
  })

  test('draws the same for a sample in another batch', async () => {
    const list: AugmentationOptions = [{ custom: 'darken' }, 'horizontalFlip']
    const whole = await run(list, { count: 8 })
    const again = await run(list, { count: 3 })
    assert.deepEqual(whole.subarray(0, again.length), again)
  })

  test('may change the size, and a wrong result is named', async () => {
    const plan = trainingPlan([{ custom: 'halve' }], options())
    const batch = await plan.apply(pictures(2), identities([0, 1]), { epoch: 0 })
    assert.deepEqual(batch.shape, [2, 3, SIDE / 2, SIDE])
    registerAugmentation('broken', ({ height, width }) => ({ pixels: new Uint8Array(5), height, width }))
    await assert.rejects(
      trainingPlan([{ custom: 'broken' }], options()).apply(pictures(1), identities([0]), { epoch: 0 }),
      (error: unknown) => error instanceof ShapeError && /"broken"/.test(error.message),
    )
    assert.throws(
      () => trainingPlan([{ custom: 'darkn' }], options()),
      (error: unknown) => error instanceof ConfigError && /Did you mean "darken"/.test(error.message),
    )
  })
})
