/** Mean and standard deviation of pictures, for normalisation. */
import type { Dataset } from './dataset.ts'

/** Sums that pictures are added to, batch by batch. */
export class ChannelStatistics {
  readonly #sums = [0, 0, 0]
  readonly #squares = [0, 0, 0]
  #count = 0

  /** @param pixels [N, 3] RGB, in any arrangement of N */
  add(pixels: Uint8Array): void {
    // Of one call in whole numbers: 255² · 2^37 pixels still fit 53 bits.
    for (let channel = 0; channel < 3; channel++) {
      let sum = 0
      let square = 0
      for (let at = channel; at < pixels.length; at += 3) {
        const value = pixels[at] as number
        sum += value
        square += value * value
      }
      this.#sums[channel] = (this.#sums[channel] as number) + sum
      this.#squares[channel] = (this.#squares[channel] as number) + square
    }
    this.#count += pixels.length / 3
  }

  /** Per channel, of values scaled to 0–1; the deviation is that of the population. A constant channel gets the deviation 1. */
  result(): { mean: number[]; std: number[] } {
    const n = Math.max(1, this.#count)
    const mean = this.#sums.map((sum) => sum / n / 255)
    const std = this.#squares.map((square, c) => {
      const variance = square / n / 255 ** 2 - (mean[c] as number) ** 2
      return variance > 1e-12 ? Math.sqrt(variance) : 1
    })
    return { mean, std }
  }
}

/** Over all pictures of a data set that is cheap to read. */
export async function channelStatistics(dataset: Dataset): Promise<{ mean: number[]; std: number[] }> {
  const statistics = new ChannelStatistics()
  for (let start = 0; start < dataset.length; start += 1000) {
    const indices = Array.from({ length: Math.min(1000, dataset.length - start) }, (_, i) => start + i)
    statistics.add(await dataset.read(indices))
  }
  return statistics.result()
}
