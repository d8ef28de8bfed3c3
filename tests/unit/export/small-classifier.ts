/** A small classifier with random weights and images for it. */

import { NativeModule, torch } from '../../../src/binding/index.ts'

export const classNames: readonly string[] = ['zero', 'één', 'two "2"', 'three', 'four']

export const preprocessing = {
  resizeTo: 9,
  imageSize: 8,
  interpolation: 'bilinear',
  mean: [0.4, 0.5, 0.6],
  std: [0.2, 0.3, 0.25],
} as const

export async function smallClassifier(
  name: string = 'small_cnn',
  options: { imageSize?: number; head?: 'cosine' | 'linear' | null } = {},
): Promise<NativeModule> {
  const { imageSize = 8, head: kind = 'cosine' } = options
  torch.manualSeed(11)
  const backbone = await NativeModule.createBackbone(name, {
    num_classes: kind === null ? classNames.length : 0,
    image_size: imageSize,
  })
  const inFeatures = backbone.info.numFeatures as number
  const sizes = { in_features: inFeatures, out_features: classNames.length }
  const head = kind === null ? null : await NativeModule.createHead(kind, sizes)
  const { mean, std } = preprocessing
  return NativeModule.createClassifier({ backbone, head, logitScale: kind === 'cosine' ? 16 : 1, mean, std })
}

/** Images S × S × 3 that differ from each other. */
export function images(count: number, size: number = 8): Uint8Array[] {
  return Array.from({ length: count }, (_, n) =>
    Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * 37 + n * 101 + ((i * i * (n + 3)) % 89)) % 256),
  )
}

/** The native model's probabilities, one row an image. */
export async function nativeProbabilities(
  classifier: NativeModule,
  pixels: readonly Uint8Array[],
  size: number = 8,
): Promise<number[]> {
  classifier.train(false)
  return torch.noGrad(() =>
    torch.scope(async () => {
      const batch = torch.tensor(Buffer.concat(pixels), { shape: [pixels.length, size, size, 3], dtype: 'uint8' })
      const { probabilities } = await classifier.classify(batch)
      return probabilities.toArray()
    }),
  )
}
