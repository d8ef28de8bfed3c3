/**
 * Inception-style crop: a window of random area and aspect, resampled to a square. Szegedy et al. 2014, §6.
 * https://arxiv.org/abs/1409.4842 The draws follow torchvision's RandomResizedCrop.
 */
import { z } from 'zod'
import type { Geometry, Operation } from './operation.ts'

export interface RandomResizedCropOptions {
  /** Area of the window as a share of the picture, [low, high] in (0, 1]. Default [0.08, 1]. */
  readonly scale?: readonly [number, number] | undefined
  /** Width over height of the window, [low, high]. Default [3/4, 4/3]. */
  readonly ratio?: readonly [number, number] | undefined
  /** Default: that of the plan. */
  readonly interpolation?: 'bilinear' | 'bicubic' | undefined
}

const range = (highest: number): z.ZodType<readonly [number, number]> =>
  z
    .tuple([z.number().positive(), z.number().positive().max(highest)])
    .refine(([low, high]) => low <= high, 'expected [low, high] with low ≤ high')

export const randomResizedCropSchema: z.ZodType<boolean | RandomResizedCropOptions> = z.union([
  z.boolean(),
  z.strictObject({
    scale: range(1).optional().describe('area of the window as a share of the picture; default [0.08, 1]'),
    ratio: range(100).optional().describe('width over height of the window; default [0.75, 1.333]'),
    interpolation: z.enum(['bilinear', 'bicubic']).optional().describe('default: data.interpolation'),
  }),
])

export function randomResizedCrop(
  options: RandomResizedCropOptions,
  { imageSize, interpolation = 'bilinear' }: Geometry,
): Operation {
  return {
    name: 'random_resized_crop',
    options: {
      size: imageSize,
      scale: options.scale ?? [0.08, 1],
      ratio: options.ratio ?? [3 / 4, 4 / 3],
      interpolation: options.interpolation ?? interpolation,
    },
  }
}
