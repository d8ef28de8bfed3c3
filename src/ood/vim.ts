/**
 * Virtual-logit matching, Wang et al. 2022, eq. 4–7. https://arxiv.org/abs/2203.10807; haoqiwang/vim `benchmark.py`.
 *
 * With logits W·x + b, features are taken about u = −W⁺b, where the classifier says nothing. The training features' D directions of largest
 * second moment about u span the principal space; what lies outside of it is the residual.
 *
 *   score = log Σ_c exp(f_c) − α‖x^⊥‖,   α = mean max_c f_c / mean ‖x^⊥‖ over the training samples
 *
 * A cosine head has no bias and sees directions alone: there u = 0 and features are divided by their length (`normalize`).
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ConfigError, DatasetError, ShapeError } from '../util/errors.ts'
import type { FloatArray } from '../util/softmax.ts'
import type { Detector, DetectorInput, DetectorTrainingInput, Matrix } from './detector.ts'
import { energyScores } from './energy.ts'
import { featureMoments, featuresOf, rowTensor, type FeatureMoments } from './feature-moments.ts'

export interface VimOptions {
  /** W [C, D] and b [C] of the linear classifier behind the features; null (default): none with a bias, u = 0 */
  readonly classifier?: { readonly weight: Matrix; readonly bias: FloatArray } | null
  /** D, directions of the principal space; null (default): 1000 of 2048 features or more, 512 of 768 or more, else half */
  readonly dimension?: number | null
  /** Default false. */
  readonly normalize?: boolean
}

interface Fitted {
  readonly columns: number
  /** u, float64 [D] */
  readonly origin: Float64Array
  /** orthonormal columns that span the residuals, float64 [D, D − dimension] */
  readonly residual: Float64Array
  readonly alpha: number
}

const rowsAtATime = 4096
/** A direction whose second moment is a smaller share of the largest holds rounding of float32 features and nothing else. */
const emptyShare = 1e-12

/** The principal space's dimension for so many features, where nothing is said. */
export function vimDimension(features: number): number {
  return features >= 2048 ? 1000 : features >= 768 ? 512 : Math.floor(features / 2)
}

export class VimDetector implements Detector {
  readonly name = 'vim'
  readonly #classifier: VimOptions['classifier']
  readonly #dimension: number | null
  readonly #normalize: boolean
  #fitted: Fitted | null = null

  constructor(options: VimOptions = {}) {
    this.#classifier = options.classifier ?? null
    this.#dimension = options.dimension ?? null
    this.#normalize = options.normalize ?? false
  }

  /**
   * @throws {ConfigError} for a dimension that leaves no residual
   * @throws {DatasetError} when the features have no residual, or the largest logits are negative on average
   * @throws {ShapeError} without features, or for a classifier of another number of them
   * @throws {NonFiniteError} when a feature or logit is NaN or infinite
   */
  async fit(train: DetectorTrainingInput): Promise<void> {
    const moments = await featureMoments(train, this.#normalize)
    const { columns } = moments
    const classifier = this.#classifier ?? null
    const origin = classifier === null ? new Float64Array(columns) : neutralPoint(classifier, columns)
    const residual = residualSpace(moments, origin, this.#dimension)
    const largest = largestLogits(train.logits)
    const norms = this.#residualNorms(train, { columns, origin, residual })
    const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length
    const alpha = mean(largest) / mean(norms)
    if (!(alpha > 0))
      throw new DatasetError(
        `vim: expected largest logits that are positive on average, got ${mean(largest)}. The classifier is hardly trained.`,
      )
    this.#fitted = { columns, origin, residual, alpha }
  }

  /**
   * @throws {ConfigError} before `fit`
   * @throws {ShapeError} without features, or of another number than fitted
   */
  async score(input: DetectorInput): Promise<Float64Array> {
    const { columns } = featuresOf(input)
    const fitted = this.#fitted
    if (fitted === null) throw new ConfigError('vim: expected fit() before score(). Fit on the training part.')
    if (columns !== fitted.columns)
      throw new ShapeError(`vim: expected ${fitted.columns} features, as fitted, got ${columns}.`)
    const norms = this.#residualNorms(input, fitted)
    const logSums = energyScores(input.logits.values, input.logits.columns)
    if (logSums.length !== norms.length)
      throw new ShapeError(
        `vim: expected logits and features of as many samples, got ${logSums.length} and ${norms.length}.`,
      )
    return logSums.map((logSum, row) => logSum - fitted.alpha * norms[row]!)
  }

  /** ‖x^⊥‖ of each row [N] */
  #residualNorms(input: DetectorInput, { columns, origin, residual }: Omit<Fitted, 'alpha'>): Float64Array {
    const features = featuresOf(input)
    const norms = new Float64Array(features.values.length / columns)
    for (let start = 0; start < norms.length; start += rowsAtATime)
      torch.scope(() => {
        const { ops } = torch
        const end = Math.min(norms.length, start + rowsAtATime)
        const rows = ops.sub(rowTensor(features, start, end, this.#normalize), torch.tensor(origin))
        const space = torch.tensor(residual, { shape: [columns, residual.length / columns] })
        norms.set(ops.linalgVectorNorm(ops.matmul(rows, space), 2, [1]).data() as Float64Array, start)
      })
    return norms
  }
}

/** u = −W⁺b: W·u + b is 0 where W has full row rank, and as near as it can be elsewhere. */
function neutralPoint({ weight, bias }: NonNullable<VimOptions['classifier']>, columns: number): Float64Array {
  if (weight.columns !== columns || weight.values.length !== bias.length * columns)
    throw new ShapeError(
      `vim: expected a classifier of [${bias.length}, ${columns}] (classes, features), got ${weight.values.length} weights of ` +
        `${weight.columns} features.`,
    )
  return torch.scope(() => {
    const values = torch.tensor(weight.values, { shape: [bias.length, columns], dtype: 'float64' })
    // numpy's default for what counts as 0 beside the largest singular value
    const cutoff = Math.max(bias.length, columns) * Number.EPSILON
    const inverse = torch.call('aten::linalg_pinv', values, cutoff) as Tensor
    const point = torch.ops.matmul(inverse, torch.tensor(bias, { shape: [bias.length, 1], dtype: 'float64' }))
    return torch.ops.neg(point).data() as Float64Array
  })
}

/** @returns orthonormal columns beyond the `dimension` largest, flat [D, D − dimension] */
function residualSpace(moments: FeatureMoments, origin: Float64Array, dimension: number | null): Float64Array {
  const { columns, count } = moments
  if (dimension !== null && (dimension < 1 || dimension >= columns))
    throw new ConfigError(
      `vim: expected a dimension from 1 to ${columns - 1}, below the ${columns} features, got ${dimension}.`,
    )
  return torch.scope(() => {
    const { ops } = torch
    const [seconds, directions] = ops.linalgEigh(ops.div(momentsAbout(moments, origin), count))
    const values = seconds.data() as Float64Array
    const rank = values.filter((value) => value > emptyShare * values[columns - 1]!).length
    // Few pictures, or features that are never on, leave less to halve.
    const usual = vimDimension(columns)
    const principal = dimension ?? (rank > usual ? usual : Math.floor(rank / 2))
    if (principal < 1 || principal >= rank)
      throw new DatasetError(
        `vim: the training features vary in ${rank} of ${columns} directions, which leaves no residual beside ` +
          `${Math.max(1, principal)}. Choose a smaller dimension, or fit on more pictures.`,
      )
    return ops.contiguous(ops.narrow(directions, 1, 0, columns - principal)).data() as Float64Array
  })
}

/** Σ (x − u)(x − u)ᵀ from the sums about another point s: G − S·dᵀ − d·Sᵀ + N·d·dᵀ with S = Σ (x − s), d = u − s. */
function momentsAbout({ count, columns, origin, gram, classSums }: FeatureMoments, about: Float64Array): Tensor {
  const { ops } = torch
  const sum = ops.sum(torch.tensor(classSums, { shape: [classSums.length / columns, columns] }), [0])
  const shift = ops.sub(torch.tensor(about), torch.tensor(origin))
  const cross = ops.outer(sum, shift)
  const moved = ops.sub(ops.sub(torch.tensor(gram, { shape: [columns, columns] }), cross), ops.t(cross))
  return ops.add(moved, ops.mul(ops.outer(shift, shift), count))
}

function largestLogits({ values, columns }: Matrix): Float64Array {
  return Float64Array.from({ length: values.length / columns }, (_, row) => {
    let largest = -Infinity
    for (let c = 0; c < columns; c++) largest = Math.max(largest, values[row * columns + c]!)
    return largest
  })
}
