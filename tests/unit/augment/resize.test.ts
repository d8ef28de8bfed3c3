import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ConfigError, ShapeError, resizeAndCenterCrop, resizeImage } from '../../../src/binding/index.ts'
import type { Interpolation } from '../../../src/binding/index.ts'

interface Case {
  readonly height: number
  readonly width: number
  readonly interpolation: Interpolation
  readonly seed: number
  readonly sha256: string
}
const golden = JSON.parse(readFileSync(new URL('../../golden/augment_resize.json', import.meta.url), 'utf8')) as {
  readonly resize: readonly (Case & { outHeight: number; outWidth: number })[]
  readonly crop: readonly (Case & { resizeTo: number; cropTo: number })[]
}

/** The noise of tests/golden/augment_resize.py. */
function noise({ height, width, seed }: Case): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: height * width * 3 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
}
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('resize', () => {
  for (const c of golden.resize) {
    test(`equals Pillow, ${c.interpolation} ${c.height}×${c.width} → ${c.outHeight}×${c.outWidth}`, async () => {
      assert.equal(digest(await resizeImage(noise(c), c)), c.sha256)
    })
  }
  for (const c of golden.crop) {
    test(`equals torchvision, ${c.interpolation} ${c.height}×${c.width} → Resize(${c.resizeTo}), CenterCrop(${c.cropTo})`, async () => {
      assert.equal(digest(await resizeAndCenterCrop(noise(c), c)), c.sha256)
    })
  }

  test('a picture of extreme aspect costs no more memory than its central square', async () => {
    const strip = new Uint8Array(30_000 * 3).fill(77)
    const options = { height: 1, width: 30_000, resizeTo: 256, cropTo: 224, interpolation: 'bilinear' } as const
    const result = await resizeAndCenterCrop(strip, options)
    assert.equal(result.length, 224 * 224 * 3)
    assert.ok(result.every((value) => value === 77))
  })

  test('refuses a crop that is larger than the resized picture', async () => {
    const options = { height: 4, width: 4, resizeTo: 8, cropTo: 9, interpolation: 'bilinear' } as const
    await assert.rejects(resizeAndCenterCrop(new Uint8Array(48), options), ShapeError)
  })

  test('refuses an interpolation that it does not know, and pixels that are too few', async () => {
    const options = { height: 4, width: 4, outHeight: 2, outWidth: 2 }
    const lanczos = 'lanczos' as Interpolation
    await assert.rejects(resizeImage(new Uint8Array(48), { ...options, interpolation: lanczos }), ConfigError)
    await assert.rejects(resizeImage(new Uint8Array(47), { ...options, interpolation: 'bilinear' }), ShapeError)
  })
})
