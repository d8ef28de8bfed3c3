/**
 * First and second moments of training features, in float64: what Mahalanobis and ViM are fitted from. The products of all pairs of features
 * are summed once for both (one Gram matrix), about the mean of the first rows, so that nothing cancels where features lie far from 0.
 */
import { setImmediate } from 'node:timers/promises'
import { torch, type Tensor } from '../binding/index.ts'
import { DatasetError, ShapeError } from '../util/errors.ts'
import { checkFinite, checkLabels } from '../util/scores-check.ts'
import type { DetectorInput, DetectorTrainingInput, Matrix } from './detector.ts'

/** Of N rows x with D features; everything float64 and flat. */
export interface FeatureMoments {
  readonly count: number
  readonly columns: number
  /** s [D], which the sums are about */
  readonly origin: Float64Array
  /** Σ (x − s)(x − s)ᵀ [D, D] */
  readonly gram: Float64Array
  /** [C] rows of each class */
  readonly classCounts: Float64Array
  /** Σ over each class of (x − s), [C, D] */
  readonly classSums: Float64Array
}

/** Rows that are looked at together: bounds the memory of their float64 copy. */
const rowsAtATime = 4096

/** Two detectors that are fitted to the same features share their moments. */
const known = new WeakMap<DetectorTrainingInput, Map<boolean, Promise<FeatureMoments>>>()

/**
 * @param isNormalized of the rows divided by their Euclidean length
 * @throws {ShapeError} without features, or when they are not as many as the labels
 * @throws {DatasetError} when there is no row, or a label is outside [0, C)
 * @throws {NonFiniteError} when a feature is NaN or infinite
 */
export function featureMoments(train: DetectorTrainingInput, isNormalized: boolean): Promise<FeatureMoments> {
  const made = known.get(train) ?? new Map<boolean, Promise<FeatureMoments>>()
  known.set(train, made)
  const moments = made.get(isNormalized) ?? sumUp(train, isNormalized)
  made.set(isNormalized, moments)
  return moments
}

async function sumUp(train: DetectorTrainingInput, isNormalized: boolean): Promise<FeatureMoments> {
  const { labels, logits } = train
  const features = featuresOf(train)
  const { columns } = features
  const numClasses = logits.columns
  checkLabels(labels, numClasses)
  const count = features.values.length / columns
  if (count !== labels.length)
    throw new ShapeError(`Expected features of ${labels.length} samples, one for each label, got ${count}.`)
  const origin = torch.scope(() => {
    const first = rowTensor(features, 0, Math.min(count, rowsAtATime), isNormalized)
    return torch.ops.mean(first, [0]).data() as Float64Array
  })
  const sums = { gram: torch.zeros([columns, columns], float64), classes: torch.zeros([numClasses, columns], float64) }
  try {
    for (let start = 0; start < count; start += rowsAtATime) {
      const end = Math.min(count, start + rowsAtATime)
      torch.scope(() => {
        const { ops } = torch
        const rows = ops.sub(rowTensor(features, start, end, isNormalized), torch.tensor(origin))
        sums.gram.copyFrom(ops.addmm(sums.gram, ops.t(rows), rows))
        const classes = torch.tensor(BigInt64Array.from(labels.subarray(start, end), BigInt))
        const members = ops.oneHot(classes, numClasses).to('float64')
        sums.classes.copyFrom(ops.addmm(sums.classes, ops.t(members), rows))
      })
      await setImmediate() // signals and progress are served between two parts
    }
    return {
      ...{ count, columns, origin },
      gram: sums.gram.data() as Float64Array,
      classCounts: labels.reduce((counts, label) => {
        counts[label] = (counts[label] ?? 0) + 1
        return counts
      }, new Float64Array(numClasses)),
      classSums: sums.classes.data() as Float64Array,
    }
  } finally {
    sums.gram.dispose()
    sums.classes.dispose()
  }
}

const float64 = { dtype: 'float64' } as const

/**
 * @throws {ShapeError} without features, or with rows that are not whole
 * @throws {DatasetError} without a row
 * @throws {NonFiniteError} when a feature is NaN or infinite
 */
export function featuresOf({ features }: DetectorInput): Matrix {
  if (features === undefined)
    throw new ShapeError('Expected the features that the logits were made of, got logits alone.')
  const { values, columns } = features
  if (!Number.isInteger(values.length / columns))
    throw new ShapeError(`Expected rows of ${columns} features, got ${values.length} values.`)
  if (values.length === 0) throw new DatasetError('Expected features of at least 1 sample, got none.')
  checkFinite(values, columns, 'features')
  return features
}

/** Rows [start, end) as float64 [end − start, D]; of length 1 where they are normalised, a row of zeros aside. */
export function rowTensor({ values, columns }: Matrix, start: number, end: number, isNormalized: boolean): Tensor {
  const { ops } = torch
  const shape = [end - start, columns]
  const rows = torch.tensor(values.subarray(start * columns, end * columns), { shape, dtype: 'float64' })
  return isNormalized ? ops.div(rows, ops.clampMin(ops.linalgVectorNorm(rows, 2, [1], true), 1e-300)) : rows
}
