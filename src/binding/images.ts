/** Augmentation plans and resampling of 8-bit images. */
import { native } from './native.ts'
import type { Draw, Options, PlanCall, PlanHandle } from './native.ts'
import { Tensor } from './tensor.ts'

export type Interpolation = 'bilinear' | 'bicubic'

export interface NativePlanOptions {
  readonly operations: readonly { readonly name: string; readonly options: Options }[]
  /** Per RGB channel, of values scaled to 0–1. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly seed: number
  /** The place that the first operation's draws are keyed by, for the later part of a plan. Default 0. */
  readonly firstOperation?: number
}

/** Only `epoch` is required: one view, the first, of images that are not stacked, on one thread. */
export type PlanRequest = Pick<PlanCall, 'epoch'> & Partial<PlanCall>

export class NativeAugmentPlan {
  readonly #handle: PlanHandle

  constructor({ operations, mean, std, seed, firstOperation = 0 }: NativePlanOptions) {
    this.#handle = native.createPlan(operations, mean, std, seed, firstOperation)
  }

  /** uint8 [N, H, W, 3], ids int64 [N] → float32 [views · N, 3, S, S], view by view. Runs beside the engine thread. */
  async apply(images: Tensor, sampleIds: Tensor, request: PlanRequest): Promise<Tensor> {
    return new Tensor(await native.planApply(this.#handle, images.handle, sampleIds.handle, call(request)))
  }

  /** The same before normalisation: uint8 [views · N, S, S, 3]. */
  async applyToPixels(images: Tensor, sampleIds: Tensor, request: PlanRequest): Promise<Tensor> {
    return new Tensor(await native.planApplyToPixels(this.#handle, images.handle, sampleIds.handle, call(request)))
  }

  /** What is done to each image, [views · N] lists. */
  draws(images: Tensor, sampleIds: Tensor, request: PlanRequest): Promise<Draw[][]> {
    return native.planDraws(this.#handle, images.handle, sampleIds.handle, call(request))
  }
}

function call({ epoch, views = 1, firstView = 0, stacked = false, threads = 1 }: PlanRequest): PlanCall {
  return { epoch, views, firstView, stacked, threads }
}

export function augmentOperations(): string[] {
  return native.augmentOperations()
}

/** [height, width, 3] → [outHeight, outWidth, 3], antialiased as Pillow does it; on the thread pool. */
export async function resizeImage(
  pixels: Uint8Array,
  o: { height: number; width: number; outHeight: number; outWidth: number; interpolation: Interpolation },
): Promise<Uint8Array> {
  return native.resizeImage(pixels, o.height, o.width, o.outHeight, o.outWidth, o.interpolation)
}

/** [height, width, 3] → shorter side to `resizeTo`, then the central [cropTo, cropTo, 3]; on the thread pool. */
export async function resizeAndCenterCrop(
  pixels: Uint8Array,
  o: { height: number; width: number; resizeTo: number; cropTo: number; interpolation: Interpolation },
): Promise<Uint8Array> {
  return native.resizeAndCenterCrop(pixels, o.height, o.width, o.resizeTo, o.cropTo, o.interpolation)
}
