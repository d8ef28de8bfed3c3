/** The central square, with the offsets of torchvision's CenterCrop (halves are rounded to even). */
import type { Geometry, Operation } from './operation.ts'

export function centerCrop({ imageSize }: Geometry): Operation {
  return { name: 'center_crop', options: { size: imageSize } }
}
