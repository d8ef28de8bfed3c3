/** Small crops beside the usual views: multi-crop, Caron et al. 2020, §3.2. https://arxiv.org/abs/2006.09882 */
import { augmentationSteps } from './options.ts'
import type { AugmentationOptions, AugmentationStep } from './options.ts'
import type { RandomResizedCropOptions } from './random-resized-crop.ts'

/**
 * The operations of `options` with their crop replaced by a random resized crop of `scale`, in its place; first where there is none.
 * Aspect and interpolation stay those of the random resized crop that was replaced.
 */
export function localCropAugmentations(
  options: AugmentationOptions,
  scale: readonly [number, number],
): AugmentationOptions {
  const steps = augmentationSteps(options).filter(({ value }) => value !== undefined && value !== false)
  const place = steps.findIndex(({ key }) => key === 'randomCrop' || key === 'randomResizedCrop')
  const replaced = steps[place]
  const kept =
    replaced?.key === 'randomResizedCrop' && typeof replaced.value === 'object'
      ? (replaced.value as RandomResizedCropOptions)
      : {}
  const crop: AugmentationStep = { randomResizedCrop: { ...kept, scale } }
  const list = steps.map(({ key, value }): AugmentationStep => ({ [key]: value }))
  return place < 0 ? [crop, ...list] : list.toSpliced(place, 1, crop)
}
