/** Augmentation plans and resampling of 8-bit images. */
import { native } from './native.ts'
import type { Options, PlanHandle } from './native.ts'
import { Tensor } from './tensor.ts'

export type Interpolation = 'bilinear' | 'bicubic'

export interface NativePlanOptions {
  readonly operations: readonly { readonly name: string; readonly options: Options }[]
  /** Per RGB channel, of values scaled to 0–1. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly seed: number
}

export class NativeAugmentPlan {
  readonly #handle: PlanHandle

  constructor({ operations, mean, std, seed }: NativePlanOptions) {
    this.#handle = native.createPlan(operations, mean, std, seed)
  }

  /** uint8 [N, H, W, 3], ids int64 [N] → float32 [views · N, 3, S, S], view by view. Runs beside the engine thread. */
  async apply(images: Tensor, sampleIds: Tensor, { epoch, views }: { epoch: number; views: number }): Promise<Tensor> {
    return new Tensor(await native.planApply(this.#handle, images.handle, sampleIds.handle, epoch, views))
  }
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
