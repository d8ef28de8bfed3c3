/**
 * Handwritten digits: 1,797 grey pictures of 8 × 8, which ship with the library.
 *
 * E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998
 * (https://doi.org/10.24432/C50P49), in the form in which scikit-learn distributes its test part. Licence: CC BY 4.0.
 */
import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { resizeImage } from '../binding/index.ts'
import type { Interpolation } from '../binding/index.ts'
import { DatasetError } from '../util/errors.ts'
import { packageFile } from '../util/package-root.ts'
import { MemoryDataset } from './dataset.ts'

const SIDE = 8
const COUNT = 1797

/** @param imageSize pictures are resampled once to this side */
export async function openDigits(imageSize: number, interpolation: Interpolation = 'bilinear'): Promise<MemoryDataset> {
  const { labels, pixels } = await readDigits()
  const size = imageSize * imageSize * 3
  const resized = new Uint8Array(COUNT * size)
  for (let i = 0; i < COUNT; i++) {
    const picture = pixels.subarray(i * SIDE * SIDE * 3, (i + 1) * SIDE * SIDE * 3)
    const options = {
      height: SIDE,
      width: SIDE,
      outHeight: imageSize,
      outWidth: imageSize,
      interpolation,
    }
    resized.set(imageSize === SIDE ? picture : await resizeImage(picture, options), i * size)
  }
  return new MemoryDataset({
    name: 'digits',
    classNames: Array.from({ length: 10 }, (_, digit) => String(digit)),
    labels,
    height: imageSize,
    width: imageSize,
    pixels: resized,
  })
}

/** The pictures as they are stored, grey 0–16 scaled to 0–255 and repeated in three channels: pixels [1797, 8, 8, 3]. */
export async function readDigits(): Promise<{ labels: Int32Array; pixels: Uint8Array }> {
  const path = packageFile('src/data/assets/digits.csv.gz')
  const lines = gunzipSync(await readFile(path))
    .toString('latin1')
    .trim()
    .split('\n')
  const labels = new Int32Array(COUNT)
  const pixels = new Uint8Array(COUNT * SIDE * SIDE * 3)
  if (lines.length !== COUNT)
    throw new DatasetError(`${path}: expected ${COUNT} lines but got ${lines.length}. Reinstall trivium.`)
  lines.forEach((line, row) => {
    const values = line.split(',').map(Number)
    const label = values.pop() as number
    if (
      values.length !== SIDE * SIDE ||
      !values.every((value) => value >= 0 && value <= 16) ||
      !(label >= 0 && label <= 9)
    ) {
      throw new DatasetError(`${path}: line ${row + 1} is not a digit. Reinstall trivium.`)
    }
    labels[row] = label
    values.forEach((value, at) => {
      const from = (row * SIDE * SIDE + at) * 3
      pixels.fill(Math.round((value * 255) / 16), from, from + 3)
    })
  })
  return { labels, pixels }
}
