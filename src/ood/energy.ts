/**
 * Energy score, Liu et al. 2020. https://arxiv.org/abs/2010.03759, eq. 4–6; wetliu/energy_ood `CIFAR/test.py`.
 *
 * Energy E = −T · log Σ_c exp(f_c / T); the score is −E. Logits of a cosine head are s·cosθ without the margin, where
 * the scale s already acts as 1/T.
 */
import { ConfigError, ShapeError } from '../util/errors.ts'
import { checkFinite } from '../util/scores-check.ts'
import { logSumExp, type FloatArray } from '../util/softmax.ts'
import type { Detector, DetectorInput } from './detector.ts'

export interface EnergyOptions {
  /** T, unitless, > 0; the paper uses 1 */
  readonly temperature?: number
}

/**
 * The negative energy T · log Σ_c exp(f_c / T) of each sample.
 *
 * @param logits flat [N, C], finite
 * @returns [N] float64, higher = more in-distribution
 * @throws {ConfigError} when the temperature is not positive
 * @throws {ShapeError} when the length is not a multiple of numClasses
 * @throws {NonFiniteError} when a logit is NaN or infinite
 */
export function energyScores(logits: FloatArray, numClasses: number, temperature = 1): Float64Array {
  if (!(temperature > 0 && temperature < Infinity)) {
    throw new ConfigError(`Expected the energy temperature to be positive and finite, got ${temperature}.`)
  }
  const samples = logits.length / numClasses
  if (!Number.isInteger(samples)) {
    throw new ShapeError(`Expected rows of ${numClasses} logits, got ${logits.length} values.`)
  }
  checkFinite(logits, numClasses, 'logits')
  return Float64Array.from({ length: samples }, (_, row) => logSumExp(logits, numClasses, row, temperature))
}

export class EnergyDetector implements Detector {
  readonly name = 'energy'
  readonly #temperature: number

  constructor(options: EnergyOptions = {}) {
    this.#temperature = options.temperature ?? 1
  }

  /** The energy score has no parameters to fit. */
  async fit(): Promise<void> {}

  async score({ logits }: DetectorInput): Promise<Float64Array> {
    return energyScores(logits.values, logits.columns, this.#temperature)
  }
}
