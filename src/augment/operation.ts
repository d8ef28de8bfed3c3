import type { Interpolation, OptionValue } from '../binding/index.ts'
import type { Rng } from '../util/rng.ts'

/** One step of a plan, as the native registry (native/augment/registry.cc) knows it. */
export interface Operation {
  readonly name: string
  readonly options: Record<string, OptionValue>
}

/** One picture: `height` × `width` × 3 levels, row by row. */
export interface Picture {
  readonly pixels: Uint8Array
  readonly height: number
  readonly width: number
}

/**
 * A step written in TypeScript: the picture as it should be, of any size (the same for every picture of a batch). What is random
 * comes from `rng`, whose key is (seed, epoch, sample, view, place of the operation). `picture.pixels` may be written to.
 */
export type PictureFunction = (picture: Picture, rng: Rng) => Picture

/** A step of a plan that is a function. */
export interface CustomOperation {
  readonly name: string
  readonly apply: PictureFunction
}

/** The square that a plan ends with, and the pictures that go in. */
export interface Geometry {
  /** Side of the result in pixels. */
  readonly imageSize: number
  readonly inputHeight: number
  readonly inputWidth: number
  /** Of pictures that are resampled; default bilinear. */
  readonly interpolation?: Interpolation | undefined
}
