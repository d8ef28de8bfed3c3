/**
 * What every operation of `augmentations` must do, whoever wrote it:
 *
 *     augmentationSuite('colorJitter', { acts: { brightness: 0.4 }, idle: { brightness: 0.4, p: 0 } })
 *     augmentationSuite('custom', { acts: 'mine', unlisted: true }) // registerAugmentation('mine', …)
 *
 * Its own values are compared elsewhere (tests/unit/augment).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { trainingPlan, type AugmentationKey, type AugmentationMap, type AugmentPlan } from '../augment/index.ts'
import { ShapeError, torch, type Tensor } from '../binding/index.ts'

export interface AugmentationCase<K extends AugmentationKey> {
  /** An option that changes most pictures. */
  readonly acts: AugmentationMap[K]
  /** One that never does; absent where the operation has none. */
  readonly idle?: AugmentationMap[K]
  /** Not in the list of draws, as functions are. */
  readonly unlisted?: boolean
}

/** Of fewer pixels than 256 the histogram is not flattened. */
const SIDE = 20
const COUNT = 40

function planOf(key: AugmentationKey, value: unknown, { side = SIDE, seed = 5 } = {}): AugmentPlan {
  // grey levels themselves
  const raw = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] }
  return trainingPlan({ [key]: value }, { imageSize: side, inputHeight: side, inputWidth: side, seed, ...raw })
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const identities = (ids: readonly number[]): Tensor => torch.tensor(BigInt64Array.from(ids, BigInt))
const batch = (pixels: Uint8Array, side: number): Tensor =>
  torch.tensor(pixels, { shape: [pixels.length / (side * side * 3), side, side, 3] })

/** Noise that leaves room for more contrast, no two pictures alike. */
function noise(count = COUNT, side = SIDE): Tensor {
  let state = 7
  return batch(
    Uint8Array.from({ length: count * side * side * 3 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return 20 + ((state >>> 24) % 200)
    }),
    side,
  )
}

type Request = Parameters<AugmentPlan['apply']>[2]

/** A list of values for each picture, pixel by pixel. */
async function apply(plan: AugmentPlan, images: Tensor, ids: readonly number[], request: Request) {
  const result = await plan.apply(images, identities(ids), request)
  const values = torch.ops.permute(result, [0, 2, 3, 1]).data() as Float32Array
  const [rows = 0, , height = 0, width = 0] = result.shape
  const size = height * width * 3
  return Array.from({ length: rows }, (_, row) => Array.from(values.slice(row * size, (row + 1) * size)))
}

export function augmentationSuite<K extends AugmentationKey>(key: K, settings: AugmentationCase<K>): void {
  const { acts, idle, unlisted = false } = settings
  const plan = planOf(key, acts)
  const original = (images: Tensor): Promise<number[][]> =>
    apply(planOf(key, undefined), images, range(images.shape[0] as number), { epoch: 0 })

  describe(`augmentation ${key}`, () => {
    test('changes most pictures; switched off, none', async () => {
      const before = await original(noise())
      const after = await apply(plan, noise(), range(COUNT), { epoch: 0 })
      const changed = range(COUNT).filter((i) => after[i]?.some((value, at) => value !== before[i]?.[at]))
      assert.ok(changed.length > COUNT / 2, `${changed.length} of ${COUNT}`)
      assert.deepEqual(await apply(planOf(key, false), noise(), range(COUNT), { epoch: 0 }), before)
      if (idle !== undefined)
        assert.deepEqual(await apply(planOf(key, idle), noise(), range(COUNT), { epoch: 0 }), before)
    })

    test('whoever comes along, in whatever order, on however many threads: a sample gets the same', async () => {
      const images = noise()
      const request = { epoch: 3, views: 2, threads: 1 }
      const whole = await apply(plan, images, range(COUNT), request)
      assert.deepEqual(await apply(plan, images, range(COUNT), { ...request, threads: 3 }), whole)
      const order = [31, 4, 17]
      const rows = torch.ops.indexSelect(images, 0, identities(order))
      const few = await apply(plan, rows, order, request)
      const expected = [...order, ...order.map((i) => COUNT + i)].map((row) => whole[row])
      assert.deepEqual(few, expected)
      // a plan that is made anew, as after a resume, and one that has worked before
      assert.deepEqual(await apply(planOf(key, acts), images, range(COUNT), request), whole)
    })

    test('draws anew for every epoch, view, sample and seed', async () => {
      const same = batch(Uint8Array.from(range(COUNT).flatMap(() => Array.from(noise(1).data() as Uint8Array))), SIDE)
      const base = await apply(plan, same, range(COUNT), { epoch: 0 })
      assert.ok(new Set(base.map(String)).size > 1, 'every sample alike')
      assert.notDeepEqual(await apply(plan, same, range(COUNT), { epoch: 1 }), base)
      assert.notDeepEqual(await apply(plan, same, range(COUNT), { epoch: 0, firstView: 1 }), base)
      assert.notDeepEqual(await apply(planOf(key, acts, { seed: 6 }), same, range(COUNT), { epoch: 0 }), base)
    })

    test('leaves the pictures that it was given as they were', async () => {
      const images = noise()
      const before = Uint8Array.from(images.data() as Uint8Array)
      await apply(plan, images, range(COUNT), { epoch: 0, views: 2 })
      assert.deepEqual(images.data(), before)
    })

    test('says what it did to each picture that it changed, unless it is a function of yours', async () => {
      const before = await original(noise())
      const after = await apply(plan, noise(), range(COUNT), { epoch: 0 })
      const draws = await plan.draws(noise(), identities(range(COUNT)), { epoch: 0 })
      assert.equal(draws.length, COUNT)
      for (const [i, drawn] of draws.entries()) {
        const changed = after[i]?.some((value, at) => value !== before[i]?.[at])
        assert.ok(!changed || unlisted || drawn.length > 0, `picture ${i} was changed without a word`)
        for (const { operation, values } of drawn) {
          assert.match(operation, /^[a-z_]+$/)
          assert.ok(values.every(([name, value]) => name.length > 0 && Number.isFinite(value)))
        }
      }
    })

    test('takes small pictures, black ones and white ones; one pixel too, or says that it is too small', async () => {
      const one = planOf(key, acts, { side: 1 })
      const pixels = batch(new Uint8Array(COUNT * 3).fill(9), 1)
      await apply(one, pixels, range(COUNT), { epoch: 0 }).catch((error: unknown) =>
        assert.ok(error instanceof ShapeError),
      )
      for (const side of [3, 7])
        for (const level of [0, 255]) {
          const small = batch(new Uint8Array(COUNT * side * side * 3).fill(level), side)
          const results = await apply(planOf(key, acts, { side }), small, range(COUNT), { epoch: 0 })
          assert.equal(results.length, COUNT)
          assert.ok(results.every((row) => row.length === side * side * 3 && row.every(Number.isFinite)))
        }
    })
  })
}
