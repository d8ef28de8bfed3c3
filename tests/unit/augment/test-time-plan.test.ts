import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { evaluationPlan, mirrorsPictures, testTimePlan, type PlanOptions } from '../../../src/augment/index.ts'
import { ConfigError, torch } from '../../../src/binding/index.ts'

const SIDE = 16
const COUNT = 3

/** mean 0 and std 1/255 give the grey levels themselves. */
const options = (changes: Partial<PlanOptions> = {}): PlanOptions => ({
  imageSize: SIDE,
  inputHeight: SIDE,
  inputWidth: SIDE,
  seed: 5,
  mean: [0, 0, 0],
  std: [1 / 255, 1 / 255, 1 / 255],
  ...changes,
})

/** The views of COUNT pictures that are all different, without symmetry: [view][picture] as text. */
async function views(
  plan: ReturnType<typeof testTimePlan>,
  request: { views: number; firstView?: number },
  side = SIDE,
): Promise<string[][]> {
  const pixels = Uint8Array.from({ length: COUNT * side * side * 3 }, (_, i) => (i * 37 + (i >> 5) * 11) % 251)
  const images = torch.tensor(pixels, { shape: [COUNT, side, side, 3] })
  const made = await plan.apply(images, torch.tensor(BigInt64Array.of(7n, 8n, 9n)), { epoch: 0, ...request })
  assert.deepEqual(made.shape, [request.views * COUNT, 3, SIDE, SIDE])
  const size = 3 * SIDE * SIDE
  const values = made.toArray().map(Math.round)
  return Array.from({ length: request.views }, (_, view) =>
    Array.from({ length: COUNT }, (_, i) =>
      values.slice((view * COUNT + i) * size, (view * COUNT + i + 1) * size).join(),
    ),
  )
}

const mirrored = (picture: string): string =>
  (picture.match(new RegExp(`(?:\\d+,?){${SIDE}}`, 'g')) ?? [])
    .map((row) => row.replace(/,$/, '').split(',').reverse().join())
    .join()

describe('test-time plan', () => {
  const standard = { augmentations: null, mirror: false }

  it('shows first what an evaluation shows, mirrored or not, with and without augmentations', async () => {
    const [plain] = await views(evaluationPlan(options()), { views: 1 })
    for (const given of [
      standard,
      { augmentations: null, mirror: true },
      { augmentations: { horizontalFlip: { p: 1 } }, mirror: false },
    ]) {
      assert.deepEqual((await views(testTimePlan(given, options()), { views: 1 }))[0], plain)
      assert.deepEqual((await views(testTimePlan(given, options()), { views: 4 }))[0], plain)
    }
  })

  it('mirrors second where pictures may be mirrored, and never where they may not', async () => {
    const free = await views(testTimePlan({ augmentations: null, mirror: true }, options()), { views: 3 })
    assert.deepEqual(free[1], free[0]?.map(mirrored))
    const bound = await views(testTimePlan(standard, options()), { views: 40 })
    const moved = new Set(bound.flat())
    for (const picture of [...moved]) assert.ok(!moved.has(mirrored(picture)))
  })

  it('moves by no more than a sixteenth of the side: nine places at 16 px, with a mirrored edge', async () => {
    const many = await views(testTimePlan(standard, options()), { views: 80 })
    for (let i = 0; i < COUNT; i++) assert.equal(new Set(many.map((view) => view[i])).size, 9)
  })

  it('makes each view a function of seed, picture and its number alone', async () => {
    const plan = testTimePlan({ augmentations: null, mirror: true }, options())
    const all = await views(plan, { views: 5 })
    for (let view = 0; view < 5; view++)
      assert.deepEqual((await views(plan, { views: 1, firstView: view }))[0], all[view], `view ${view}`)
    assert.deepEqual(await views(plan, { views: 3, firstView: 1 }), all.slice(1, 4))
    const other = testTimePlan({ augmentations: null, mirror: true }, options({ seed: 6 }))
    assert.notDeepEqual((await views(other, { views: 9 })).slice(2), (await views(plan, { views: 9 })).slice(2))
  })

  it('makes the others by the augmentations that are given', async () => {
    const flip = testTimePlan({ augmentations: { horizontalFlip: { p: 1 } }, mirror: false }, options())
    const [plain, ...others] = await views(flip, { views: 3 })
    for (const view of others) assert.deepEqual(view, plain?.map(mirrored))
    const both = { randomCrop: true, randomResizedCrop: true }
    assert.throws(() => testTimePlan({ augmentations: both, mirror: false }, options()), ConfigError)
  })

  it('crops larger pictures anywhere, and resamples smaller ones first', async () => {
    const large = await views(testTimePlan(standard, options({ inputHeight: 20, inputWidth: 20 })), { views: 300 }, 20)
    assert.equal(new Set(large.map(([first]) => first)).size, 25)
    const small = testTimePlan(standard, options({ inputHeight: 8, inputWidth: 8 }))
    assert.deepEqual(
      (await views(small, { views: 2 }, 8))[0],
      (await views(evaluationPlan(options({ inputHeight: 8, inputWidth: 8 })), { views: 1 }, 8))[0],
    )
  })

  it('tells what was drawn for each view', async () => {
    const plan = testTimePlan({ augmentations: null, mirror: true }, options())
    const images = torch.zeros([2, SIDE, SIDE, 3], { dtype: 'uint8' })
    const drawn = await plan.draws(images, torch.tensor(BigInt64Array.of(1n, 2n)), { epoch: 0, views: 3 })
    assert.deepEqual(
      drawn.map((draws) => draws.some(({ operation }) => operation === 'random_crop')),
      [false, false, false, false, true, true],
    )
  })
})

describe('mirrors pictures', () => {
  it('is what horizontal_flip says, in a map and in a list', () => {
    for (const options of [{ horizontalFlip: true }, { horizontalFlip: { p: 0.1 } }, ['horizontalFlip' as const]])
      assert.ok(mirrorsPictures(options), JSON.stringify(options))
    for (const options of [{}, { horizontalFlip: false }, { horizontalFlip: { p: 0 } }, { verticalFlip: true }, []])
      assert.ok(!mirrorsPictures(options), JSON.stringify(options))
  })
})
