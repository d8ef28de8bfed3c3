/** Every operation of the registry in the suite: a key without a line here does not compile, and fails. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { augmentationKeys, registerAugmentation, type AugmentationKey } from '../../src/augment/index.ts'
import { augmentationSuite, type AugmentationCase } from '../../src/conformance/index.ts'

registerAugmentation('conformance', ({ pixels, height, width }, rng) => {
  const by = 1 + rng.below(50)
  return { pixels: pixels.map((level) => Math.max(0, level - by)), height, width }
})

const cases: { readonly [K in AugmentationKey]: AugmentationCase<K> } = {
  randomResizedCrop: { acts: { scale: [0.2, 0.8] }, idle: { scale: [1, 1], ratio: [1, 1] } },
  randomCrop: { acts: { padding: 3 }, idle: { padding: 0 } },
  horizontalFlip: { acts: { p: 0.7 }, idle: { p: 0 } },
  verticalFlip: { acts: { p: 0.7 }, idle: { p: 0 } },
  rotation: { acts: { degrees: 90 }, idle: { degrees: 90, p: 0 } },
  affine: { acts: { degrees: 20, shear: 10, translate: [0.2, 0.2], scale: [0.8, 1.2] }, idle: { degrees: 20, p: 0 } },
  autoaugment: { acts: 'imagenet' },
  randaugment: { acts: { numOps: 3, magnitude: 15 }, idle: { numOps: 3, p: 0 } },
  trivialaugment: { acts: true },
  augmix: { acts: { severity: 8 } },
  colorJitter: { acts: { brightness: 0.5, saturation: 0.5, hue: 0.2 }, idle: { brightness: 0.5, p: 0 } },
  greyscale: { acts: { p: 0.7 }, idle: { p: 0 } },
  gaussianBlur: { acts: { p: 0.9 }, idle: { p: 0 } },
  sharpness: { acts: { p: 0.9, factor: [0, 3] }, idle: { p: 0 } },
  posterize: { acts: { p: 0.7, bits: 3 }, idle: { p: 0 } },
  solarize: { acts: { p: 0.7 }, idle: { p: 0 } },
  autocontrast: { acts: { p: 0.9 }, idle: { p: 0 } },
  equalize: { acts: { p: 0.9 }, idle: { p: 0 } },
  invert: { acts: { p: 0.7 }, idle: { p: 0 } },
  custom: { acts: 'conformance', unlisted: true },
  cutout: { acts: { size: 4 }, idle: { p: 0 } },
  randomErasing: { acts: { p: 0.9, value: 'random' }, idle: { p: 0 } },
}

test('every operation is in the suite', () => {
  assert.deepEqual(Object.keys(cases).sort(), [...augmentationKeys].sort())
})

for (const key of Object.keys(cases) as AugmentationKey[])
  augmentationSuite(key, cases[key] as AugmentationCase<typeof key>)
