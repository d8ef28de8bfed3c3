/** What a configuration may say under `augmentations`. */
import { z } from 'zod'
import { unavailable } from '../util/unavailable.ts'
import type { Unavailable } from '../util/unavailable.ts'
import { horizontalFlipSchema } from './horizontal-flip.ts'
import type { HorizontalFlipOptions } from './horizontal-flip.ts'
import { randomCropSchema } from './random-crop.ts'
import type { RandomCropOptions } from './random-crop.ts'
import { randomResizedCropSchema } from './random-resized-crop.ts'
import type { RandomResizedCropOptions } from './random-resized-crop.ts'

/** Operations of a training plan; `true` means "with its defaults", absent or `false` means without it. */
export interface AugmentationOptions {
  readonly randomCrop?: boolean | RandomCropOptions | undefined
  readonly randomResizedCrop?: boolean | RandomResizedCropOptions | undefined
  readonly horizontalFlip?: boolean | HorizontalFlipOptions | undefined
  // Accepted so that published configurations load; see unavailableAugmentations.
  readonly randaugment?: unknown
  readonly trivialaugment?: unknown
  readonly autoaugment?: unknown
  readonly colorJitter?: unknown
  readonly randomErasing?: unknown
}

const probability = z.number().min(0).max(1)
const strength = z.union([z.number().min(0), z.array(z.number().min(0)).length(2)])

export const augmentationOptionsSchema: z.ZodType<AugmentationOptions> = z.strictObject({
  randomCrop: randomCropSchema.optional().describe('pad, then crop at a random place'),
  randomResizedCrop: randomResizedCropSchema.optional().describe('crop a random area and aspect, then resize'),
  horizontalFlip: horizontalFlipSchema.optional().describe('mirror left and right'),
  randaugment: z
    .union([
      z.boolean(),
      z.strictObject({ numOps: z.int().min(0).optional(), magnitude: z.number().min(0).optional() }),
    ])
    .optional(),
  trivialaugment: z.boolean().optional(),
  autoaugment: z.union([z.boolean(), z.string()]).optional(),
  colorJitter: z
    .union([
      z.boolean(),
      z.number().min(0),
      z.strictObject({
        brightness: strength.optional(),
        contrast: strength.optional(),
        saturation: strength.optional(),
        hue: strength.optional(),
        p: probability.optional(),
      }),
    ])
    .optional(),
  randomErasing: z
    .union([
      z.boolean(),
      z.strictObject({
        p: probability.optional(),
        scale: z.array(z.number().positive()).length(2).optional(),
        ratio: z.array(z.number().positive()).length(2).optional(),
        value: z.union([z.number(), z.string()]).optional(),
      }),
    ])
    .optional(),
})

export const unavailableAugmentations: readonly Unavailable[] = [
  unavailable('randaugment', 'RandAugment'),
  unavailable('trivialaugment', 'TrivialAugment'),
  unavailable('autoaugment', 'AutoAugment'),
  unavailable('colorJitter', 'colour jitter'),
  unavailable('randomErasing', 'random erasing'),
]

/** The usual light recipe for a data set. Digits are never mirrored: a mirrored 2 is no digit. */
export function standardAugmentations(dataset: 'digits' | 'cifar10' | 'cifar100' | 'imagefolder'): AugmentationOptions {
  return dataset === 'digits' ? { randomCrop: true } : { randomCrop: true, horizontalFlip: true }
}
