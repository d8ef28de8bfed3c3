/** What the augmentations of a phase do to some training images, as pictures with the drawn parameters. */
import { trainingPlan, type AugmentationOptions } from '../augment/index.ts'
import { torch, type Draw } from '../binding/index.ts'
import type { DatasetSplits } from '../data/index.ts'
import type { SheetPicture } from '../report/index.ts'

export interface PreviewOptions {
  readonly augmentations: AugmentationOptions
  readonly imageSize: number
  readonly seed: number
  /** Training images, spread evenly. */
  readonly count: number
  /** Augmented versions of each. */
  readonly views: number
  readonly epoch: number
}

/** For each image: itself, then its augmented versions. Normalisation is undone for the eye, erased boxes included. */
export async function augmentPreview(data: DatasetSplits, options: PreviewOptions): Promise<SheetPicture[][]> {
  const { train: dataset, mean, std, interpolation } = data
  const { imageSize, views, epoch, seed } = options
  const { height, width } = dataset
  const count = Math.min(options.count, dataset.length)
  const geometry = { imageSize, inputHeight: height, inputWidth: width, interpolation }
  const plan = trainingPlan(options.augmentations, { ...geometry, mean, std, seed })
  const plain = trainingPlan({}, { ...geometry, mean, std, seed })
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.length) / count))
  const samples = indices.map((index) => dataset.at(index))
  const pixels = await dataset.read(indices)
  return torch.scope(async () => {
    const images = torch.tensor(pixels, { shape: [count, height, width, 3] })
    const ids = torch.tensor(BigInt64Array.from(samples, ({ id }) => BigInt(id)))
    const before = shown(
      (await plain.apply(images, ids, { epoch })).data() as Float32Array,
      count,
      imageSize,
      mean,
      std,
    )
    const batch = await plan.apply(images, ids, { epoch, views })
    const after = shown(batch.data() as Float32Array, count * views, imageSize, mean, std)
    const draws = await plan.draws(images, ids, { epoch, views })
    return samples.map(({ id, label }, i) => [
      {
        pixels: before[i] as Uint8Array,
        side: imageSize,
        lines: [`${dataset.classNames[label] ?? label}, sample ${id}`],
      },
      ...Array.from({ length: views }, (_, view) => ({
        pixels: after[view * count + i] as Uint8Array,
        side: imageSize,
        lines: describeDraws(draws[view * count + i] ?? []),
      })),
    ])
  })
}

function describeDraws(draws: readonly Draw[]): string[] {
  if (draws.length === 0) return ['unchanged']
  return draws.map(({ operation, values }) =>
    [operation, ...values.map(([name, value]) => `${name}\u00a0${Number(value.toPrecision(3))}`)].join(' '),
  )
}

/** Normalised [N, 3, S, S] → levels [S, S, 3] each. */
function shown(
  values: Float32Array,
  count: number,
  side: number,
  mean: readonly number[],
  std: readonly number[],
): Uint8Array[] {
  const area = side * side
  return Array.from({ length: count }, (_, i) =>
    Uint8Array.from({ length: area * 3 }, (_, k) => {
      const c = k % 3
      const value = values[(i * 3 + c) * area + Math.floor(k / 3)] as number
      return Math.max(0, Math.min(255, Math.round((value * (std[c] as number) + (mean[c] as number)) * 255)))
    }),
  )
}
