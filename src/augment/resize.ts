/** Resampling to a square, equal to Pillow's antialiased resize. The aspect is not kept. */
import type { Geometry, Operation } from './operation.ts'

export function resize({ imageSize, interpolation = 'bilinear' }: Geometry): Operation {
  return { name: 'resize', options: { size: imageSize, interpolation } }
}
