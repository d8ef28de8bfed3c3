import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { AugmentPlan } from '../../../src/augment/index.ts'
import type { Operation } from '../../../src/augment/index.ts'
import { torch } from '../../../src/binding/index.ts'
import type { Draw } from '../../../src/binding/index.ts'

interface Picture {
  readonly height: number
  readonly width: number
  readonly seed: number
  readonly kind?: string
}
interface Case extends Picture {
  readonly name: string
  readonly options: Operation['options']
  readonly exact: boolean
  readonly pixels: string
}
interface Policy extends Picture {
  readonly bins: number
  readonly interpolation: string
  readonly results: readonly {
    operation: string
    magnitude: number | null
    exact: boolean
    pixels: string
    ties: number[]
  }[]
}
const golden = JSON.parse(readFileSync(new URL('../../golden/augment_operations.json', import.meta.url), 'utf8')) as {
  readonly operations: readonly Case[]
  readonly policies: Readonly<Record<string, Policy>>
}

const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))

/** The noise of tests/golden/augment_operations.py. */
function picture({ height, width, seed, kind }: Picture): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: height * width * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const level = state >>> 24
    return kind === 'muted' ? 60 + (level % 97) : level
  })
}

/** Grey levels themselves: mean 0, std 1/255. */
function plan(operations: readonly Operation[], seed = 1): AugmentPlan {
  const std = [1 / 255, 1 / 255, 1 / 255]
  return new AugmentPlan(operations, { imageSize: 8, inputHeight: 8, inputWidth: 8, mean: [0, 0, 0], std, seed })
}

/** `count` copies of one picture, sample ids 0 …; [count][H · W · 3] levels, and what was drawn. */
async function run(
  operations: readonly Operation[],
  source: Picture,
  count = 1,
): Promise<{ results: Uint8Array[]; draws: Draw[][] }> {
  const size = source.height * source.width * 3
  const one = picture(source)
  const all = new Uint8Array(count * size)
  for (let i = 0; i < count; i++) all.set(one, i * size)
  const images = torch.tensor(all, { shape: [count, source.height, source.width, 3] })
  const ids = torch.tensor(BigInt64Array.from({ length: count }, (_, i) => BigInt(i)))
  const made = plan(operations)
  const batch = await made.apply(images, ids, { epoch: 0 })
  const levels = torch.ops.permute(batch, [0, 2, 3, 1]).data() as Float32Array
  return {
    results: Array.from({ length: count }, (_, i) =>
      Uint8Array.from(levels.subarray(i * size, (i + 1) * size), Math.round),
    ),
    draws: await made.draws(images, ids, { epoch: 0 }),
  }
}

/** @param ties pixels that are left out */
function assertLevels(
  actual: Uint8Array,
  expected: Uint8Array,
  tolerance: number,
  what: string,
  ties: readonly number[] = [],
): void {
  assert.equal(actual.length, expected.length)
  let worst = 0
  let count = 0
  actual.forEach((level, i) => {
    if (ties.includes(Math.floor(i / 3))) return
    const off = Math.abs(level - (expected[i] as number))
    if (off > tolerance) count++
    worst = Math.max(worst, off)
  })
  assert.equal(count, 0, `${what}: ${count} of ${actual.length} levels are off by up to ${worst}`)
}

const short = (options: Operation['options']): string =>
  Object.entries(options)
    .map(([key, value]) => `${key} ${JSON.stringify(value)}`)
    .join(', ')

describe('operations against torchvision', () => {
  for (const [index, c] of golden.operations.entries()) {
    const how = c.exact ? 'equals' : 'is within one level of'
    test(`${index}: ${c.name} (${short(c.options)}) ${how} torchvision`, async () => {
      const { results } = await run([{ name: c.name, options: c.options }], c)
      assertLevels(results[0] as Uint8Array, bytes(c.pixels), c.exact ? 0 : 1, c.name)
    })
  }
})

/** Runs one transformation on many samples and compares each result with the golden one of the transformation that was drawn. */
async function compareChoices(operation: Operation, policy: Policy, count: number): Promise<Map<string, number>> {
  const { results, draws } = await run([operation], policy, count)
  const seen = new Map<string, number>()
  draws.forEach((drawn, i) => {
    assert.ok(drawn.length <= 2, `one or two transformations, got ${drawn.length}`)
    if (drawn.length !== 1) return
    const { operation: name, values } = drawn[0] as Draw
    const magnitude = values[0]?.[1] ?? null
    const match = policy.results.find(
      (r) =>
        r.operation === name &&
        (r.magnitude === null || magnitude === null
          ? r.magnitude === magnitude
          : Math.abs(r.magnitude - magnitude) < 1e-5),
    )
    assert.ok(match, `${name} at ${magnitude} is not on torchvision's scale`)
    assert.ok(match.ties.length < policy.height * policy.width * 0.3)
    assertLevels(
      results[i] as Uint8Array,
      bytes(match.pixels),
      match.exact ? 0 : 1,
      `${name} at ${magnitude}`,
      match.ties,
    )
    seen.set(`${name} ${magnitude?.toFixed(4)}`, (seen.get(`${name} ${magnitude?.toFixed(4)}`) ?? 0) + 1)
  })
  return seen
}

const policyNamed = (name: string): Policy => golden.policies[name] as Policy

describe('policies against torchvision', () => {
  test('RandAugment: every transformation, at magnitude 9 of 31, both signs, equally often', async () => {
    const policy = policyNamed('randaugment')
    const options = { num_ops: 1, magnitude: 9, bins: 31 }
    const seen = await compareChoices({ name: 'randaugment', options }, policy, 2000)
    assert.equal(seen.size, policy.results.length)
    const byName = new Map<string, number>()
    for (const [key, count] of seen) {
      const [name = ''] = key.split(' ')
      byName.set(name, (byName.get(name) ?? 0) + count)
    }
    assert.equal(byName.size, 14)
    for (const [name, count] of byName)
      assert.ok(count > 90 && count < 200, `${name}: ${count} of 2000, expected about 143`)
  })

  test('RandAugment with bilinear interpolation and 11 bins', async () => {
    const policy = policyNamed('randaugment_bilinear')
    const options = { num_ops: 1, magnitude: 7, bins: 11, interpolation: 'bilinear' }
    const seen = await compareChoices({ name: 'randaugment', options }, policy, 1000)
    assert.equal(seen.size, policy.results.length)
  })

  test('RandAugment applies num_ops transformations one after the other, each with probability p', async () => {
    const source = policyNamed('randaugment')
    const lengths = async (options: Operation['options']): Promise<number[]> =>
      (await run([{ name: 'randaugment', options }], source, 400)).draws.map((draws) => draws.length)
    assert.ok((await lengths({ num_ops: 3 })).every((length) => length === 3))
    assert.ok((await lengths({ num_ops: 0 })).every((length) => length === 0))
    const halves = await lengths({ num_ops: 2, p: 0.5 })
    const mean = halves.reduce((a, b) => a + b) / halves.length
    assert.ok(mean > 0.85 && mean < 1.15, `mean ${mean}, expected about 1`)
  })

  test('TrivialAugment Wide: every transformation at every level', async () => {
    const policy = policyNamed('trivialaugment')
    const seen = await compareChoices({ name: 'trivialaugment', options: { bins: 6 } }, policy, 6000)
    // −0 and 0 are one magnitude here
    assert.ok(seen.size >= policy.results.length - 14, `${seen.size} of ${policy.results.length}`)
  })

  for (const name of ['cifar10', 'imagenet', 'svhn'])
    test(`AutoAugment ${name}: the transformations of its 25 pairs`, async () => {
      const seen = await compareChoices(
        { name: 'autoaugment', options: { policy: name } },
        policyNamed('autoaugment'),
        2000,
      )
      assert.ok(seen.size > 15, `${seen.size} different transformations`)
    })

  test('AugMix of one chain of one transformation is the weighted mean of picture and transformation', async () => {
    const policy = policyNamed('augmix')
    const { results, draws } = await run([{ name: 'augmix', options: { width: 1, depth: 1 } }], policy, 800)
    const original = picture(policy)
    const seen = new Set<string>()
    const weights: number[] = []
    draws.forEach((drawn, i) => {
      assert.equal(drawn.length, 2)
      const own = drawn[0]?.values[0]?.[1] as number
      const { operation, values } = drawn[1] as Draw
      const magnitude = values[0]?.[1] ?? null
      const match = policy.results.find(
        (r) => r.operation === operation && Math.abs((r.magnitude ?? 0) - (magnitude ?? 0)) < 1e-5,
      )
      assert.ok(match, `${operation} at ${magnitude}`)
      const transformed = bytes(match.pixels)
      const mixed = original.map((level, k) => Math.floor(own * level + (1 - own) * (transformed[k] as number)))
      assertLevels(results[i] as Uint8Array, mixed, 2, `${operation} at ${magnitude}, weight ${own}`)
      seen.add(operation)
      weights.push(own)
    })
    assert.equal(seen.size, 13)
    const mean = weights.reduce((a, b) => a + b) / weights.length
    assert.ok(mean > 0.45 && mean < 0.55, `Beta(1, 1) has mean 0.5, got ${mean}`)
    assert.ok(Math.min(...weights) < 0.05 && Math.max(...weights) > 0.95)
  })
})
