/**
 * The contract of an out-of-distribution detector: `fit` on the training set, `score` anything.
 *
 * **A higher score means more in-distribution**, for every detector. What a detector does not need it does not read: an
 * energy score takes logits alone and its `fit` does nothing.
 */
import type { FloatArray } from '../util/softmax.ts'

/** Rows of one array: flat [rows, columns]. */
export interface Matrix {
  readonly values: FloatArray
  readonly columns: number
}

/** What a model says of N samples; taken in evaluation mode, without augmentation. */
export interface DetectorInput {
  /** [N, C] before softmax; of a margin head s·cosθ without the margin */
  readonly logits: Matrix
  /** [N, D] backbone features after pooling */
  readonly features?: Matrix
}

/** `labels`: [N] in [0, C) */
export interface DetectorTrainingInput extends DetectorInput {
  readonly labels: Int32Array
}

export interface Detector {
  readonly name: string
  fit(train: DetectorTrainingInput): Promise<void>
  /** @returns [N] float64, finite, higher = more in-distribution; each row depends on that row alone */
  score(input: DetectorInput): Promise<Float64Array>
}
