import type { Interpolation, OptionValue } from '../binding/index.ts'

/** One step of a plan, as the native registry (native/augment/plan.cc) knows it. */
export interface Operation {
  readonly name: string
  readonly options: Record<string, OptionValue>
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
