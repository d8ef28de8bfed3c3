/**
 * A plan: operations over uint8 pictures, then normalisation. Compiled once, applied to a batch in one native call (and one more
 * behind each function of yours).
 *
 * The draws for an image depend on (seed, epoch, its id, view, place of the operation) alone, so that batch size, order, worker
 * count and resume change nothing.
 */
import { NativeAugmentPlan, torch } from '../binding/index.ts'
import type { Draw, PlanRequest, Tensor } from '../binding/index.ts'
import { ConfigError, ShapeError } from '../util/errors.ts'
import { Rng } from '../util/rng.ts'
import { centerCrop } from './center-crop.ts'
import type { CustomOperation, Geometry, Operation } from './operation.ts'
import { augmentationSteps } from './options.ts'
import type { AugmentationOptions } from './options.ts'
import { buildOperation } from './registry.ts'
import type { AugmentationKey, AugmentationMap } from './registry.ts'
import { resize } from './resize.ts'

export interface PlanOptions extends Geometry {
  /** Per RGB channel, of values scaled to 0–1. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** Default 0; evaluation plans draw nothing. */
  readonly seed?: number
}

/** Native operations up to a function, and that function. */
interface Part {
  readonly native: NativeAugmentPlan
  readonly custom: { readonly operation: CustomOperation; readonly place: number } | null
}

export class AugmentPlan {
  readonly imageSize: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly operations: readonly (Operation | CustomOperation)[]
  readonly #seed: number
  readonly #parts: readonly Part[]

  constructor(operations: readonly (Operation | CustomOperation)[], options: PlanOptions) {
    const { mean, std, seed = 0 } = options
    this.imageSize = options.imageSize
    this.mean = mean
    this.std = std
    this.operations = operations
    this.#seed = seed
    const parts: Part[] = []
    let begun: Operation[] = []
    const native = (end: number): NativeAugmentPlan =>
      new NativeAugmentPlan({ operations: begun, mean, std, seed, firstOperation: end - begun.length })
    operations.forEach((operation, place) => {
      if (!isCustom(operation)) return void begun.push(operation)
      if (begun.some(({ name }) => name === 'cutout' || name === 'random_erasing'))
        throw new ConfigError(`augmentations: custom: "${operation.name}" must come before cutout and random_erasing.`)
      parts.push({ native: native(place), custom: { operation, place } })
      begun = []
    })
    parts.push({ native: native(operations.length), custom: null })
    this.#parts = parts
  }

  /**
   * @param images  uint8 [N, H, W, 3]
   * @param ids     int64 [N], the stable identity of each sample
   * @param request `views` results for each image; `threads` for this call, 1 beside a training step
   * @returns float32 [views · N, 3, S, S], channels-last in memory, stacked view by view
   * @throws {ShapeError} when the pictures do not fit the plan
   */
  async apply(images: Tensor, ids: Tensor, request: Omit<PlanRequest, 'stacked'>): Promise<Tensor> {
    const last = this.#parts.length - 1
    let current = images
    for (const [index, { native, custom }] of this.#parts.entries()) {
      const stacked = index > 0
      if (index === last) {
        const result = await native.apply(current, ids, { ...request, stacked })
        if (stacked) current.dispose()
        return result
      }
      const pixels = await native.applyToPixels(current, ids, { ...request, stacked })
      if (stacked) current.dispose()
      current = custom === null ? pixels : this.#applyFunction(pixels, ids, request, custom)
    }
    throw new ShapeError('augment: a plan has at least one part')
  }

  /** What is done to each image of that batch, for people: [views · N] lists. Functions of yours are not listed. */
  async draws(images: Tensor, ids: Tensor, request: Omit<PlanRequest, 'stacked'>): Promise<Draw[][]> {
    const all: Draw[][] = []
    let current = images
    for (const [index, { native, custom }] of this.#parts.entries()) {
      const stacked = index > 0
      const drawn = await native.draws(current, ids, { ...request, stacked })
      drawn.forEach((draws, row) => (all[row] = [...(all[row] ?? []), ...draws]))
      if (custom === null) continue
      const pixels = await native.applyToPixels(current, ids, { ...request, stacked })
      if (stacked) current.dispose()
      current = this.#applyFunction(pixels, ids, request, custom)
    }
    if (current !== images) current.dispose()
    return all
  }

  /** Frees `pixels`. @param pixels uint8 [views · N, H, W, 3] @returns uint8 [views · N, H′, W′, 3] */
  #applyFunction(
    pixels: Tensor,
    ids: Tensor,
    { epoch, firstView = 0 }: Omit<PlanRequest, 'stacked'>,
    { operation, place }: { operation: CustomOperation; place: number },
  ): Tensor {
    const [rows = 0, height = 0, width = 0] = pixels.shape
    const data = pixels.data() as Uint8Array
    const samples = Array.from(ids.data() as BigInt64Array, Number)
    pixels.dispose()
    const size = height * width * 3
    const made = Array.from({ length: rows }, (_, row) => {
      const view = firstView + Math.floor(row / samples.length)
      const sample = samples[row % samples.length] as number
      const rng = new Rng({ seed: this.#seed, epoch, view, sample, operation: place })
      return operation.apply({ pixels: data.slice(row * size, (row + 1) * size), height, width }, rng)
    })
    const first = made[0]
    const wrong = made.find(
      (picture) =>
        picture.height !== first?.height ||
        picture.width !== first.width ||
        !(picture.pixels instanceof Uint8Array) ||
        picture.pixels.length !== picture.height * picture.width * 3,
    )
    if (first === undefined || wrong !== undefined)
      throw new ShapeError(
        `augmentations: custom: expected "${operation.name}" to return pictures of one size with height · width · 3 levels in a ` +
          `Uint8Array, got ${wrong?.height}×${wrong?.width} with ${wrong?.pixels.length}.`,
      )
    const out = new Uint8Array(rows * first.pixels.length)
    made.forEach((picture, row) => out.set(picture.pixels, row * first.pixels.length))
    return torch.keep(torch.tensor(out, { shape: [rows, first.height, first.width, 3] }))
  }
}

function isCustom(operation: Operation | CustomOperation): operation is CustomOperation {
  return 'apply' in operation
}

/**
 * Operations of `options`, then normalisation. Whatever the options say, the result is imageSize × imageSize: without a crop of its
 * own the plan takes the central square, and inputs smaller than the image size are resampled first.
 *
 * @throws {ConfigError} for two crops at once, or for operations that cannot follow each other
 */
export function trainingPlan(options: AugmentationOptions, plan: PlanOptions): AugmentPlan {
  return new AugmentPlan(trainingOperations(options, plan), plan)
}

/** Central square and normalisation, nothing random; inputs smaller than the image size are resampled. */
export function evaluationPlan(plan: PlanOptions): AugmentPlan {
  return new AugmentPlan(fitOperations(plan), plan)
}

/** The operations of a training plan in their order. */
export function trainingOperations(options: AugmentationOptions, geometry: Geometry): (Operation | CustomOperation)[] {
  const steps = augmentationSteps(options).filter(({ value }) => value !== undefined && value !== false)
  const crops = steps.filter(({ key }) => key === 'randomCrop' || key === 'randomResizedCrop')
  if (crops.length > 1)
    throw new ConfigError('augmentations: expected randomCrop or randomResizedCrop but got both. Remove one of them.')
  const square = { ...geometry, inputHeight: geometry.imageSize, inputWidth: geometry.imageSize }
  const operations: (Operation | CustomOperation)[] = crops.length === 0 ? fitOperations(geometry) : []
  for (const { key, value } of steps) {
    const smallCrop = key === 'randomCrop' && isSmall(geometry)
    if (smallCrop) operations.push(resize(geometry))
    const operation = buildOperation(key, value as AugmentationMap[AugmentationKey], smallCrop ? square : geometry)
    if (operation !== null) operations.push(operation)
  }
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
