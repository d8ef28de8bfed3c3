/**
 * Random crop after padding: the CIFAR recipe of He et al. 2015, §4.2 (pad 4, crop 32). https://arxiv.org/abs/1512.03385
 *
 * The offsets are uniform over every position, as in torchvision's RandomCrop.
 */
import { z } from 'zod'
import type { Geometry, Operation } from './operation.ts'

export interface RandomCropOptions {
  /** Pixels added on each side. Default: an eighth of the image size, or 0 where the input is larger than the image size. */
  readonly padding?: number | undefined
  /** Grey level 0–255 of the padding (default 0), or `reflect`: a mirror that does not repeat the edge. */
  readonly fill?: number | 'reflect' | undefined
}

export const randomCropSchema: z.ZodType<boolean | RandomCropOptions> = z.union([
  z.boolean(),
  z.strictObject({
    padding: z
      .int()
      .min(0)
      .max(4096)
      .optional()
      .describe('pixels added on each side; default: an eighth of the image size'),
    fill: z
      .union([z.int().min(0).max(255), z.literal('reflect')])
      .optional()
      .describe('grey level 0–255 of the padding, or "reflect"'),
  }),
])

export function randomCrop(options: RandomCropOptions, geometry: Geometry): Operation {
  const { imageSize, inputHeight, inputWidth } = geometry
  const larger = inputHeight > imageSize && inputWidth > imageSize
  const padding = options.padding ?? (larger ? 0 : Math.round(imageSize / 8))
  const fill = options.fill ?? 0
  return {
    name: 'random_crop',
    options: {
      size: imageSize,
      padding,
      ...(fill === 'reflect' ? { fill: 'reflect' } : { fill: 'constant', value: fill }),
    },
  }
}
