/** What travels inside an exported file: class names and the way from an image file to the network's input. */

import { packageVersion } from '../util/package-root.ts'

/** From a decoded image to the S × S × 3 array that the model takes; normalisation happens inside the model. */
export interface ExportPreprocessing {
  /** Length of the shorter side after resizing, in pixels. */
  readonly resizeTo: number
  /** Side of the central square that is kept, in pixels: S. */
  readonly imageSize: number
  readonly interpolation: 'bilinear' | 'bicubic'
  /** Per RGB channel, of values scaled to 0–1; for information, the model applies them itself. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/** Version of these keys; a reader refuses a newer one. */
const FORMAT_VERSION = '1'

/** metadata_props of an ONNX file, extra files of a TorchScript archive. User keys are kept under their own names. */
export function exportMetadata(o: {
  classNames: readonly string[]
  preprocessing: ExportPreprocessing
  metadata?: Readonly<Record<string, string>>
}): Record<string, string> {
  const { resizeTo, imageSize, interpolation, mean, std } = o.preprocessing
  return {
    ...o.metadata,
    'trivium.format': FORMAT_VERSION,
    'trivium.version': packageVersion(),
    'trivium.class_names': JSON.stringify(o.classNames),
    'trivium.preprocessing': JSON.stringify({ resize_to: resizeTo, image_size: imageSize, interpolation, mean, std }),
  }
}
