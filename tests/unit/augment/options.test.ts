import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  augmentationKeys,
  augmentationOptionsSchema,
  localCropAugmentations,
  registerAugmentation,
  standardAugmentations,
  trainingOperations,
  trainingPlan,
} from '../../../src/augment/index.ts'
import { augmentOperations } from '../../../src/binding/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'

const geometry = { imageSize: 8, inputHeight: 8, inputWidth: 8 }

describe('augmentation options', () => {
  test('both registries list the same operations', () => {
    registerAugmentation('unchanged', (picture) => picture)
    const used = new Set<string>(['resize', 'center_crop'])
    for (const key of augmentationKeys) {
      const value = key === 'custom' ? 'unchanged' : key === 'affine' ? {} : true
      for (const operation of trainingOperations({ [key]: value }, geometry))
        if ('options' in operation) used.add(operation.name)
    }
    const fitting = [4, 16].flatMap((imageSize) => trainingOperations({}, { ...geometry, imageSize }))
    assert.deepEqual(
      fitting.map(({ name }) => name),
      ['center_crop', 'resize'],
    )
    assert.deepEqual([...used].sort(), augmentOperations().sort())
  })

  test('published configurations parse', () => {
    const published = augmentationOptionsSchema.parse({
      randomResizedCrop: true,
      randaugment: { numOps: 2, magnitude: 9 },
      trivialaugment: true,
      autoaugment: false,
      colorJitter: { brightness: 0.4 },
      randomErasing: { p: 0.25 },
    })
    assert.deepEqual(
      trainingOperations(published, geometry).map(({ name }) => name),
      ['random_resized_crop', 'randaugment', 'trivialaugment', 'color_jitter', 'random_erasing'],
    )
  })

  test('a list is applied in its own order, in either spelling', () => {
    const list = augmentationOptionsSchema.parse([
      'horizontal_flip',
      { colorJitter: 0.2 },
      { randomCrop: { padding: 2 } },
      { solarize: { threshold: 100, p: 0.1 } },
      'solarize',
      'randomErasing',
    ])
    assert.deepEqual(
      trainingOperations(list, geometry).map(({ name }) => name),
      ['horizontal_flip', 'color_jitter', 'random_crop', 'solarize', 'solarize', 'random_erasing'],
    )
    for (const wrong of [['horizontal_flop'], [{ colorJitter: 0.2, solarize: true }], [{}], ['affine'], [3]])
      assert.ok(!augmentationOptionsSchema.safeParse(wrong).success, JSON.stringify(wrong))
  })

  test('what acts on the normalised picture stays last', () => {
    assert.throws(
      () => trainingPlan(['randomErasing', 'horizontalFlip'], { ...geometry, mean: [0, 0, 0], std: [1, 1, 1] }),
      (error: unknown) => error instanceof ConfigError && /last/.test(error.message),
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
      { randaugment: { magnitude: 31 } },
      { randaugment: { magnitude: 10, bins: 10 } },
      { autoaugment: 'mnist' },
      { colorJitter: { hue: 0.6 } },
      { colorJitter: { brightness: [1.2, 0.8] } },
      { gaussianBlur: { kernelSize: 4 } },
      { posterize: { bits: 9 } },
      { randomErasing: { value: 'noise' } },
      { affine: { translate: [0.1, 1.1] } },
    ]) {
      assert.ok(!augmentationOptionsSchema.safeParse(wrong).success, JSON.stringify(wrong))
    }
  })

  test('digits are never mirrored by default', () => {
    assert.deepEqual(standardAugmentations('digits'), { randomCrop: true })
    assert.deepEqual(standardAugmentations('cifar10'), { randomCrop: true, horizontalFlip: true })
  })
})

describe('local crops', () => {
  test('take the place of the crop and keep its aspect; without a crop they come first', () => {
    assert.deepEqual(
      localCropAugmentations(['horizontalFlip', { randomCrop: { padding: 4 } }, 'equalize'], [0.1, 0.4]),
      [{ horizontalFlip: true }, { randomResizedCrop: { scale: [0.1, 0.4] } }, { equalize: true }],
    )
    assert.deepEqual(
      localCropAugmentations({ randomResizedCrop: { scale: [0.5, 1], ratio: [1, 1] }, colorJitter: 0.2 }, [0.1, 0.4]),
      [{ randomResizedCrop: { scale: [0.1, 0.4], ratio: [1, 1] } }, { colorJitter: 0.2 }],
    )
    assert.deepEqual(localCropAugmentations({ horizontalFlip: true, invert: false }, [0.05, 0.2]), [
      { randomResizedCrop: { scale: [0.05, 0.2] } },
      { horizontalFlip: true },
    ])
  })
})
