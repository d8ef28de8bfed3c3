/**
 * Brier score for several classes, in its original form (Brier 1950): 0 is perfect, 2 is certain and wrong. For two
 * classes it is twice the common binary form.
 */
import { checkScores } from '../util/scores-check.ts'
import type { FloatArray } from '../util/softmax.ts'

/**
 * Mean over samples of Σ_c (p_c − [c = label])².
 *
 * @param probabilities flat [N, C], rows sum to 1
 * @param labels        [N] in [0, C)
 * @returns unitless, in [0, 2]
 * @throws {DatasetError | ShapeError | NonFiniteError} see checkScores
 */
export function brierScore(probabilities: FloatArray, labels: Int32Array, numClasses: number): number {
  checkScores(probabilities, labels, numClasses, 'probabilities')
  let sum = 0
  for (let row = 0; row < labels.length; row++) {
    for (let c = 0; c < numClasses; c++) {
      const difference = probabilities[row * numClasses + c]! - (c === labels[row] ? 1 : 0)
      sum += difference * difference
    }
  }
  return sum / labels.length
}
