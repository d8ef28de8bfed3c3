/**
 * Negative log-likelihood (cross-entropy without smoothing) in nats.
 */
import { checkScores } from '../util/scores-check.ts'
import { logSumExp, type FloatArray } from '../util/softmax.ts'

/**
 * Mean over samples of log Σ_c exp(logit_c) − logit_label, in float64; ≥ 0, ln C for uniform logits.
 *
 * @param logits flat [N, C], finite, before softmax
 * @param labels [N] in [0, C)
 * @returns nats
 * @throws {DatasetError | ShapeError | NonFiniteError} see checkScores
 */
export function negativeLogLikelihood(logits: FloatArray, labels: Int32Array, numClasses: number): number {
  checkScores(logits, labels, numClasses)
  let sum = 0
  for (let row = 0; row < labels.length; row++) {
    sum += logSumExp(logits, numClasses, row) - logits[row * numClasses + labels[row]!]!
  }
  return sum / labels.length
}
