/**
 * Every operation under its key in `augmentations`, in the order in which a map of them is applied: geometry, policies, colour,
 * levels, a function of yours, and what acts on the normalised picture. A list is applied in its own order.
 */
import { z } from 'zod'
import { affine, affineSchema } from './affine.ts'
import type { AffineOptions } from './affine.ts'
import { augmix, augmixSchema } from './augmix.ts'
import type { AugMixOptions } from './augmix.ts'
import { autoaugment, autoaugmentSchema } from './autoaugment.ts'
import type { AutoAugmentOptions } from './autoaugment.ts'
import { colorJitter, colorJitterSchema } from './color-jitter.ts'
import type { ColorJitterOptions } from './color-jitter.ts'
import { customOperation } from './custom.ts'
import { cutout, cutoutSchema } from './cutout.ts'
import type { CutoutOptions } from './cutout.ts'
import { gaussianBlur, gaussianBlurSchema } from './gaussian-blur.ts'
import type { GaussianBlurOptions } from './gaussian-blur.ts'
import { greyscale, greyscaleSchema } from './greyscale.ts'
import type { GreyscaleOptions } from './greyscale.ts'
import { horizontalFlip, horizontalFlipSchema } from './horizontal-flip.ts'
import type { HorizontalFlipOptions } from './horizontal-flip.ts'
import {
  autocontrast,
  equalize,
  invert,
  levelSchema,
  posterize,
  posterizeSchema,
  solarize,
  solarizeSchema,
} from './levels.ts'
import type { LevelOptions, PosterizeOptions, SolarizeOptions } from './levels.ts'
import type { CustomOperation, Geometry, Operation } from './operation.ts'
import { randaugment, randaugmentSchema } from './randaugment.ts'
import type { RandAugmentOptions } from './randaugment.ts'
import { randomCrop, randomCropSchema } from './random-crop.ts'
import type { RandomCropOptions } from './random-crop.ts'
import { randomErasing, randomErasingSchema } from './random-erasing.ts'
import type { RandomErasingOptions } from './random-erasing.ts'
import { randomResizedCrop, randomResizedCropSchema } from './random-resized-crop.ts'
import type { RandomResizedCropOptions } from './random-resized-crop.ts'
import { rotation, rotationSchema } from './rotation.ts'
import type { RotationOptions } from './rotation.ts'
import { sharpness, sharpnessSchema } from './sharpness.ts'
import type { SharpnessOptions } from './sharpness.ts'
import { trivialaugment, trivialaugmentSchema } from './trivialaugment.ts'
import type { TrivialAugmentOptions } from './trivialaugment.ts'
import { verticalFlip, verticalFlipSchema } from './vertical-flip.ts'
import type { VerticalFlipOptions } from './vertical-flip.ts'

/** Operations of a training plan; `true` means "with its defaults", absent or `false` means without it. */
export interface AugmentationMap {
  readonly randomResizedCrop?: boolean | RandomResizedCropOptions | undefined
  readonly randomCrop?: boolean | RandomCropOptions | undefined
  readonly horizontalFlip?: boolean | HorizontalFlipOptions | undefined
  readonly verticalFlip?: boolean | VerticalFlipOptions | undefined
  readonly rotation?: boolean | RotationOptions | undefined
  readonly affine?: AffineOptions | undefined
  readonly autoaugment?: boolean | 'cifar10' | 'imagenet' | 'svhn' | AutoAugmentOptions | undefined
  readonly randaugment?: boolean | RandAugmentOptions | undefined
  readonly trivialaugment?: boolean | TrivialAugmentOptions | undefined
  readonly augmix?: boolean | AugMixOptions | undefined
  readonly colorJitter?: boolean | number | ColorJitterOptions | undefined
  readonly greyscale?: boolean | GreyscaleOptions | undefined
  readonly gaussianBlur?: boolean | GaussianBlurOptions | undefined
  readonly sharpness?: boolean | SharpnessOptions | undefined
  readonly posterize?: boolean | PosterizeOptions | undefined
  readonly solarize?: boolean | SolarizeOptions | undefined
  readonly autocontrast?: boolean | LevelOptions | undefined
  readonly equalize?: boolean | LevelOptions | undefined
  readonly invert?: boolean | LevelOptions | undefined
  /** The name of a function given to registerAugmentation. */
  readonly custom?: string | undefined
  readonly cutout?: boolean | CutoutOptions | undefined
  readonly randomErasing?: boolean | RandomErasingOptions | undefined
}

export type AugmentationKey = keyof AugmentationMap

/** What a value other than `false` becomes; `true` arrives as the defaults. */
type Value<K extends AugmentationKey> = Exclude<AugmentationMap[K], boolean | undefined>

type Definitions = {
  readonly [K in AugmentationKey]: {
    readonly schema: z.ZodType<AugmentationMap[K]>
    /** What `true` stands for; absent where `true` says nothing. */
    readonly standard?: Value<K>
    readonly build: (options: Value<K>, geometry: Geometry) => Operation | CustomOperation
  }
}

export const definitions: Definitions = {
  randomResizedCrop: {
    schema: randomResizedCropSchema.describe('crop a random area and aspect, then resize'),
    standard: {},
    build: randomResizedCrop,
  },
  randomCrop: {
    schema: randomCropSchema.describe('pad, then crop at a random place'),
    standard: {},
    build: randomCrop,
  },
  horizontalFlip: {
    schema: horizontalFlipSchema.describe('mirror left and right'),
    standard: {},
    build: horizontalFlip,
  },
  verticalFlip: { schema: verticalFlipSchema.describe('mirror top and bottom'), standard: {}, build: verticalFlip },
  rotation: { schema: rotationSchema.describe('turn about the centre'), standard: {}, build: rotation },
  affine: { schema: affineSchema.describe('turn, move, scale and shear'), build: affine },
  autoaugment: {
    schema: autoaugmentSchema.describe('a learnt policy; true: imagenet'),
    standard: {},
    build: autoaugment,
  },
  randaugment: {
    schema: randaugmentSchema.describe('some of 14 transformations at one magnitude'),
    standard: {},
    build: randaugment,
  },
  trivialaugment: {
    schema: trivialaugmentSchema.describe('one of 14 transformations at a random magnitude'),
    standard: {},
    build: trivialaugment,
  },
  augmix: { schema: augmixSchema.describe('average of chains of transformations'), standard: {}, build: augmix },
  colorJitter: {
    schema: colorJitterSchema.describe('a number (true: 0.4) is brightness, contrast and saturation at once'),
    standard: 0.4,
    build: colorJitter,
  },
  greyscale: { schema: greyscaleSchema.describe('luma in all channels'), standard: {}, build: greyscale },
  gaussianBlur: { schema: gaussianBlurSchema.describe('blur of random width'), standard: {}, build: gaussianBlur },
  sharpness: { schema: sharpnessSchema.describe('smooth or sharpen'), standard: {}, build: sharpness },
  posterize: { schema: posterizeSchema.describe('fewer bits'), standard: {}, build: posterize },
  solarize: { schema: solarizeSchema.describe('invert bright levels'), standard: {}, build: solarize },
  autocontrast: { schema: levelSchema.describe('stretch each channel to 0–255'), standard: {}, build: autocontrast },
  equalize: { schema: levelSchema.describe('flatten the histogram of each channel'), standard: {}, build: equalize },
  invert: { schema: levelSchema.describe('invert all levels'), standard: {}, build: invert },
  custom: {
    schema: z.string().min(1).describe('name of a function given to registerAugmentation'),
    build: customOperation,
  },
  cutout: { schema: cutoutSchema.describe('a square of the mean colour'), standard: {}, build: cutout },
  randomErasing: {
    schema: randomErasingSchema.describe('erase a random box of the normalised picture'),
    standard: {},
    build: randomErasing,
  },
}

export const augmentationKeys: readonly AugmentationKey[] = Object.keys(definitions) as AugmentationKey[]

/** The operation that `key: value` asks for; null for `false` and for nothing. */
export function buildOperation<K extends AugmentationKey>(
  key: K,
  value: AugmentationMap[K],
  geometry: Geometry,
): Operation | CustomOperation | null {
  const { standard, build } = definitions[key]
  if (value === undefined || value === false) return null
  const options = value === true ? standard : (value as Value<K>)
  return options === undefined ? null : build(options, geometry)
}
