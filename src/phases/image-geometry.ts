/** How a picture becomes what the network was shown at evaluation: needed by new pictures and by the probes of an export. */
import { resizeAndCenterCrop, resizeImage } from '../binding/index.ts'
import type { Dataset, DatasetSplits } from '../data/index.ts'

/** Shorter side to which a new picture is resampled before the central square of `imageSize` is taken. */
export function resizeToFor(data: Pick<DatasetSplits, 'imageSize' | 'resizeTo' | 'test'>, imageSize: number): number {
  if (imageSize === data.imageSize) return data.resizeTo
  // The evaluation plan resamples smaller pictures to the image size and takes the central square of larger ones.
  const { height, width } = data.test
  return Math.max(imageSize, Math.min(height, width))
}

/**
 * The first `count` pictures of a part as uint8 [imageSize, imageSize, 3] each, prepared as the evaluation plan does, without
 * normalisation. Spread evenly over the part, so that all classes are met.
 */
export async function evaluationPictures(
  dataset: Dataset,
  count: number,
  { imageSize, interpolation }: Pick<DatasetSplits, 'imageSize' | 'interpolation'>,
): Promise<Uint8Array[]> {
  const wanted = Math.min(count, dataset.length)
  const indices = Array.from({ length: wanted }, (_, i) => Math.floor((i * dataset.length) / wanted))
  const { height, width } = dataset
  const pixels = await dataset.read(indices)
  const size = height * width * 3
  const pictures = indices.map((_, i) => pixels.slice(i * size, (i + 1) * size))
  if (height === imageSize && width === imageSize) return pictures
  const smaller = height < imageSize || width < imageSize
  return Promise.all(
    pictures.map((picture) =>
      smaller
        ? resizeImage(picture, { height, width, outHeight: imageSize, outWidth: imageSize, interpolation })
        : resizeAndCenterCrop(picture, {
            height,
            width,
            resizeTo: Math.min(height, width),
            cropTo: imageSize,
            interpolation,
          }),
    ),
  )
}
