import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  augmentationOptionsSchema,
  standardAugmentations,
  trainingOperations,
  unavailableAugmentations,
} from '../../../src/augment/index.ts'
import type { AugmentationOptions } from '../../../src/augment/index.ts'
import { augmentOperations } from '../../../src/binding/index.ts'
import { findUnavailable } from '../../../src/util/unavailable.ts'

const geometry = { imageSize: 8, inputHeight: 8, inputWidth: 8 }

describe('augmentation options', () => {
  test('both registries list the same operations', () => {
    const all: AugmentationOptions[] = [{ randomCrop: true, horizontalFlip: true }, { randomResizedCrop: true }, {}]
    const used = new Set(
      all.flatMap((options) =>
        [geometry, { ...geometry, imageSize: 4 }, { ...geometry, imageSize: 16 }].flatMap((g) =>
          trainingOperations(options, g).map(({ name }) => name),
        ),
      ),
    )
    assert.deepEqual([...used].sort(), augmentOperations().sort())
  })

  test('published configurations parse, and what is not there yet is listed by name', () => {
    const published = augmentationOptionsSchema.parse({
      randomResizedCrop: true,
      randaugment: { numOps: 2, magnitude: 9 },
      trivialaugment: true,
      autoaugment: false,
      colorJitter: { brightness: 0.4 },
      randomErasing: { p: 0.25 },
    })
    assert.deepEqual(
      findUnavailable(published, unavailableAugmentations).map(({ key }) => key),
      ['randaugment', 'trivialaugment', 'colorJitter', 'randomErasing'],
    )
  })

  test('wrong values and unknown keys are refused', () => {
    for (const wrong of [
      { randomCrop: { padding: -1 } },
      { randomCrop: { fill: 'mirror' } },
      { randomCrop: { fill: 256 } },
      { horizontalFlip: { p: 1.5 } },
      { randomResizedCrop: { scale: [0.5, 0.1] } },
      { randomResizedCrop: { scale: [0, 1] } },
      { randomCorp: true },
    ]) {
      assert.ok(!augmentationOptionsSchema.safeParse(wrong).success, JSON.stringify(wrong))
    }
  })

  test('digits are never mirrored by default', () => {
    assert.deepEqual(standardAugmentations('digits'), { randomCrop: true })
    assert.deepEqual(standardAugmentations('cifar10'), { randomCrop: true, horizontalFlip: true })
  })
})
