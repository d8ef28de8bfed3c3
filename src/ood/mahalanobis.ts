/**
 * Mahalanobis distance to the nearest class, Lee et al. 2018, eq. 1–2. https://arxiv.org/abs/1807.03888; pokaxpoka/deep_Mahalanobis_detector
 * `lib_generation.py`. Class means from labels, one covariance of the features about the means of their classes.
 *
 *   d(x) = min_c (x − μ_c)ᵀ Σ⁻¹ (x − μ_c),   score = −d(x)
 *
 * `normalize`: of features divided by their length first (Mahalanobis++, Mueller and Hein 2025, https://arxiv.org/abs/2505.18032).
 * `relative`: less the distance to one Gaussian of all classes (RMDS, Ren et al. 2021, eq. 3, https://arxiv.org/abs/2106.09022).
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ConfigError, ShapeError } from '../util/errors.ts'
import type { Detector, DetectorInput, DetectorTrainingInput } from './detector.ts'
import { featureMoments, featuresOf, rowTensor, type FeatureMoments } from './feature-moments.ts'
import { whitening } from './whitening.ts'

export interface MahalanobisOptions {
  /** Default false. */
  readonly normalize?: boolean
  /** Default false. */
  readonly relative?: boolean
}

/** Gaussians of one covariance; flat, float64. */
interface Gaussians {
  /** [D, D] */
  readonly whitening: Float64Array
  /** means [K, D] less the origin, whitened */
  readonly means: Float64Array
}

interface Fitted {
  readonly columns: number
  /** [D] */
  readonly origin: Float64Array
  readonly classes: Gaussians
  readonly background: Gaussians | null
}

const rowsAtATime = 4096

export class MahalanobisDetector implements Detector {
  readonly name = 'mahalanobis'
  readonly #normalize: boolean
  readonly #relative: boolean
  #fitted: Fitted | null = null

  constructor(options: MahalanobisOptions = {}) {
    this.#normalize = options.normalize ?? false
    this.#relative = options.relative ?? false
  }

  /**
   * @throws {ShapeError} without features
   * @throws {DatasetError} when no feature varies within a class
   * @throws {NonFiniteError} when a feature is NaN or infinite
   */
  async fit(train: DetectorTrainingInput): Promise<void> {
    const moments = await featureMoments(train, this.#normalize)
    const { columns, origin } = moments
    const background = this.#relative ? backgroundOf(moments) : null
    this.#fitted = { columns, origin, classes: classesOf(moments), background }
  }

  /**
   * @throws {ConfigError} before `fit`
   * @throws {ShapeError} without features, or of another number than fitted
   */
  async score(input: DetectorInput): Promise<Float64Array> {
    const features = featuresOf(input)
    const fitted = this.#fitted
    if (fitted === null) throw new ConfigError('mahalanobis: expected fit() before score(). Fit on the training part.')
    if (features.columns !== fitted.columns)
      throw new ShapeError(`mahalanobis: expected ${fitted.columns} features, as fitted, got ${features.columns}.`)
    const scores = new Float64Array(features.values.length / features.columns)
    for (let start = 0; start < scores.length; start += rowsAtATime)
      torch.scope(() => {
        const { ops } = torch
        const end = Math.min(scores.length, start + rowsAtATime)
        const rows = ops.sub(rowTensor(features, start, end, this.#normalize), torch.tensor(fitted.origin))
        const nearest = ops.amin(squaredDistances(rows, fitted.classes), [1])
        const distance =
          fitted.background === null
            ? nearest
            : ops.sub(nearest, ops.amin(squaredDistances(rows, fitted.background), [1]))
        scores.set(ops.neg(distance).data() as Float64Array, start)
      })
    return scores
  }
}

/** @param rows [N, D] less the origin @returns [N, K] */
function squaredDistances(rows: Tensor, { whitening: map, means }: Gaussians): Tensor {
  const { ops } = torch
  const columns = rows.shape[1] ?? 1
  const white = ops.matmul(rows, torch.tensor(map, { shape: [columns, columns] }))
  const centres = torch.tensor(means, { shape: [means.length / columns, columns] })
  const lengths = ops.sum(ops.square(white), [1], true)
  const products = ops.matmul(white, ops.t(centres))
  return ops.clampMin(ops.add(ops.sub(lengths, ops.mul(products, 2)), ops.sum(ops.square(centres), [1])), 0)
}

/** The classes that have samples, with the covariance about their own means. */
function classesOf({ count, columns, gram, classCounts, classSums }: FeatureMoments): Gaussians {
  return torch.scope(() => {
    const { ops } = torch
    const present = Array.from(classCounts.keys()).filter((c) => classCounts[c]! > 0)
    const counts = torch.tensor(
      Float64Array.from(present, (c) => classCounts[c]!),
      { shape: [present.length, 1] },
    )
    const rows = Float64Array.from({ length: present.length * columns }, (_, i) => {
      return classSums[present[Math.floor(i / columns)]! * columns + (i % columns)]!
    })
    const means = ops.div(torch.tensor(rows, { shape: [present.length, columns] }), counts)
    const between = ops.matmul(ops.t(ops.mul(means, counts)), means)
    return gaussians(ops.div(ops.sub(square(gram, columns), between), count), means)
  })
}

/** One Gaussian of all samples. */
function backgroundOf({ count, columns, gram, classSums }: FeatureMoments): Gaussians {
  return torch.scope(() => {
    const { ops } = torch
    const sums = torch.tensor(classSums, { shape: [classSums.length / columns, columns] })
    const mean = ops.div(ops.sum(sums, [0], true), count)
    const about = ops.matmul(ops.t(mean), mean)
    return gaussians(ops.sub(ops.div(square(gram, columns), count), about), mean)
  })
}

function gaussians(covariance: Tensor, means: Tensor): Gaussians {
  const map = whitening(covariance)
  return { whitening: map.data() as Float64Array, means: torch.ops.matmul(means, map).data() as Float64Array }
}

function square(values: Float64Array, columns: number): Tensor {
  return torch.tensor(values, { shape: [columns, columns] })
}
