/**
 * A plan: operations over uint8 pictures, then normalisation. Compiled once, applied to a batch in one native call.
 *
 * The draws for an image depend on (seed, epoch, its id, view, place of the operation) alone, so that batch size, order, worker
 * count and resume change nothing.
 */
import { NativeAugmentPlan } from '../binding/index.ts'
import type { Tensor } from '../binding/index.ts'
import { ConfigError } from '../util/errors.ts'
import { findUnavailable } from '../util/unavailable.ts'
import { centerCrop } from './center-crop.ts'
import { horizontalFlip } from './horizontal-flip.ts'
import type { Geometry, Operation } from './operation.ts'
import { unavailableAugmentations } from './options.ts'
import type { AugmentationOptions } from './options.ts'
import { randomCrop } from './random-crop.ts'
import { randomResizedCrop } from './random-resized-crop.ts'
import { resize } from './resize.ts'

export interface PlanOptions extends Geometry {
  /** Per RGB channel, of values scaled to 0–1. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** Default 0; evaluation plans draw nothing. */
  readonly seed?: number
}

export class AugmentPlan {
  readonly imageSize: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly operations: readonly Operation[]
  readonly #native: NativeAugmentPlan

  constructor(operations: readonly Operation[], options: PlanOptions) {
    this.imageSize = options.imageSize
    this.mean = options.mean
    this.std = options.std
    this.operations = operations
    this.#native = new NativeAugmentPlan({
      operations,
      mean: options.mean,
      std: options.std,
      seed: options.seed ?? 0,
    })
  }

  /**
   * @param images uint8 [N, H, W, 3]
   * @param ids    int64 [N], the stable identity of each sample
   * @returns float32 [views · N, 3, S, S], channels-last in memory, stacked view by view
   * @throws {ShapeError} when the pictures do not fit the plan
   */
  apply(images: Tensor, ids: Tensor, { epoch, views }: { epoch: number; views: number }): Promise<Tensor> {
    return this.#native.apply(images, ids, { epoch, views })
  }
}

/**
 * Random operations of `options`, then normalisation. Whatever the options say, the result is imageSize × imageSize: without a
 * crop of its own the plan takes the central square, and inputs smaller than the image size are resampled first.
 *
 * @throws {ConfigError} for two crops at once, or for an operation that this version does not have
 */
export function trainingPlan(options: AugmentationOptions, plan: PlanOptions): AugmentPlan {
  const missing = findUnavailable(options, unavailableAugmentations)
  if (missing[0]) {
    throw new ConfigError(
      `augmentations: ${missing[0].key} is not available yet (${missing[0].what}). Remove the key to run without it.`,
    )
  }
  return new AugmentPlan(trainingOperations(options, plan), plan)
}

/** Central square and normalisation, nothing random; inputs smaller than the image size are resampled. */
export function evaluationPlan(plan: PlanOptions): AugmentPlan {
  return new AugmentPlan(fitOperations(plan), plan)
}

/** The operations of a training plan in their order: geometry first, then the flip. */
export function trainingOperations(options: AugmentationOptions, geometry: Geometry): Operation[] {
  const crop = enabled(options.randomCrop)
  const resizedCrop = enabled(options.randomResizedCrop)
  const flip = enabled(options.horizontalFlip)
  if (crop && resizedCrop) {
    throw new ConfigError('augmentations: expected randomCrop or randomResizedCrop but got both. Remove one of them.')
  }
  const operations: Operation[] = []
  if (resizedCrop) operations.push(randomResizedCrop(resizedCrop, geometry))
  else if (crop) {
    const small = isSmall(geometry)
    const { imageSize } = geometry
    if (small) operations.push(resize(geometry))
    operations.push(randomCrop(crop, small ? { imageSize, inputHeight: imageSize, inputWidth: imageSize } : geometry))
  } else operations.push(...fitOperations(geometry))
  if (flip) operations.push(horizontalFlip(flip))
  return operations
}

function fitOperations(geometry: Geometry): Operation[] {
  const { imageSize, inputHeight, inputWidth } = geometry
  if (inputHeight === imageSize && inputWidth === imageSize) return []
  return isSmall(geometry) ? [resize(geometry)] : [centerCrop(geometry)]
}

function isSmall({ imageSize, inputHeight, inputWidth }: Geometry): boolean {
  return inputHeight < imageSize || inputWidth < imageSize
}

/** `true` → defaults, an object → itself, absent or `false` → null. */
function enabled<T extends object>(value: boolean | T | undefined): Partial<T> | null {
  if (value === undefined || value === false) return null
  return value === true ? {} : value
}
