/**
 * Reliability bins and expected calibration error, Guo et al. 2017. https://arxiv.org/abs/1706.04599
 *
 * Bins have equal width and are open below: (lo, hi]. Confidence 0 belongs to the first bin and confidence 1 to the
 * last; implementations that bin by floor(conf · bins) put 1.0 into a bin of its own, which then distorts the error.
 */
import { ConfigError, DatasetError, ShapeError } from '../util/errors.ts'

export interface ReliabilityBin {
  /** exclusive, except in the first bin */
  readonly lower: number
  /** inclusive */
  readonly upper: number
  readonly count: number
  /** mean confidence of the bin's samples; NaN when it has none */
  readonly confidence: number
  /** fraction of the bin's samples that are right; NaN when it has none */
  readonly accuracy: number
}

/**
 * @param confidences [N] in [0, 1]: the highest probability of each sample
 * @param correct     [N] 1 where the prediction is right, else 0
 * @param bins        number of bins of equal width; the paper uses 15
 * @throws {DatasetError} when N is 0
 * @throws {ShapeError} when lengths disagree, or a confidence is not in [0, 1]
 */
export function reliabilityBins(confidences: Float64Array, correct: Uint8Array, bins = 15): ReliabilityBin[] {
  if (!Number.isInteger(bins) || bins < 1) {
    throw new ConfigError(`Expected the number of calibration bins to be an integer of at least 1, got ${bins}.`)
  }
  if (confidences.length !== correct.length) {
    throw new ShapeError(`Expected ${confidences.length} right-or-wrong flags, got ${correct.length}.`)
  }
  if (confidences.length === 0) throw new DatasetError('Expected at least 1 sample to calibrate on, got 0.')
  const counts = new Float64Array(bins)
  const confidenceSums = new Float64Array(bins)
  const correctSums = new Float64Array(bins)
  confidences.forEach((confidence, i) => {
    const bin = binOf(confidence, bins, i)
    counts[bin]!++
    confidenceSums[bin]! += confidence
    correctSums[bin]! += correct[i]!
  })
  return Array.from(counts, (count, b) => ({
    lower: b / bins,
    upper: (b + 1) / bins,
    count,
    confidence: confidenceSums[b]! / count,
    accuracy: correctSums[b]! / count,
  }))
}

/**
 * Σ_b n_b / N · |accuracy_b − confidence_b| over the bins that hold samples.
 *
 * @returns fraction in [0, 1]
 */
export function expectedCalibrationError(bins: readonly ReliabilityBin[]): number {
  const filled = bins.filter((bin) => bin.count > 0)
  const total = filled.reduce((sum, bin) => sum + bin.count, 0)
  return filled.reduce((sum, bin) => sum + (bin.count / total) * Math.abs(bin.accuracy - bin.confidence), 0)
}

/** Softmax in floating point may end a little above 1. */
const ROUNDING = 1e-6

function binOf(confidence: number, bins: number, sample: number): number {
  if (!(confidence >= 0 && confidence <= 1 + ROUNDING)) {
    throw new ShapeError(`Expected a confidence in [0, 1], got ${confidence} at sample ${sample}. Apply softmax first.`)
  }
  let bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))
  // confidence · bins rounds: compare with the edges themselves, so that an edge always belongs to the bin below it.
  if (bin > 0 && confidence <= bin / bins) bin--
  else if (bin < bins - 1 && confidence > (bin + 1) / bins) bin++
  return bin
}
