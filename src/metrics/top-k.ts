/**
 * Top-k accuracy.
 *
 * Ties are broken by the lower class index, as argmax does, so that top-1 equals "argmax is the label" and a model whose
 * scores are all equal gets no credit for classes that it did not choose.
 */
import { ConfigError } from '../util/errors.ts'
import { checkScores } from '../util/scores-check.ts'
import type { FloatArray } from '../util/softmax.ts'

/**
 * Fraction of samples whose label is among the k highest scores. With k ≥ C it is 1.
 *
 * @param scores flat [N, C], finite; logits or probabilities
 * @param labels [N] in [0, C)
 * @param k      at least 1
 * @returns fraction in [0, 1]
 * @throws {DatasetError | ShapeError | NonFiniteError} see checkScores
 */
export function topKAccuracy(scores: FloatArray, labels: Int32Array, numClasses: number, k: number): number {
  if (!Number.isInteger(k) || k < 1) throw new ConfigError(`Expected k to be an integer of at least 1, got ${k}.`)
  checkScores(scores, labels, numClasses, 'scores')
  let hits = 0
  for (let row = 0; row < labels.length; row++) if (rankOfLabel(scores, labels, numClasses, row) < k) hits++
  return hits / labels.length
}

/** The class with the highest score of each row: [N]; the lowest index among equals. */
export function predictedClasses(scores: FloatArray, numClasses: number): Int32Array {
  const predicted = new Int32Array(scores.length / numClasses)
  for (let row = 0; row < predicted.length; row++) {
    const start = row * numClasses
    let best = 0
    for (let c = 1; c < numClasses; c++) if (scores[start + c]! > scores[start + best]!) best = c
    predicted[row] = best
  }
  return predicted
}

/** The k classes with the highest scores of one row, best first; the lower index first among equals. */
export function topClasses(scores: FloatArray, numClasses: number, row: number, k: number): number[] {
  const values = scores.subarray(row * numClasses, (row + 1) * numClasses)
  const best: number[] = []
  for (let c = 0; c < numClasses; c++) {
    if (best.length === k && values[c]! <= values[best[k - 1]!]!) continue
    let at = best.length
    while (at > 0 && values[c]! > values[best[at - 1]!]!) at--
    best.splice(at, 0, c)
    if (best.length > k) best.pop()
  }
  return best
}

/** How many classes stand before the label: those with a higher score, and equal ones of a lower index. */
function rankOfLabel(scores: FloatArray, labels: Int32Array, numClasses: number, row: number): number {
  const label = labels[row]!
  const start = row * numClasses
  const own = scores[start + label]!
  let rank = 0
  for (let c = 0; c < numClasses; c++) {
    const score = scores[start + c]!
    if (score > own || (score === own && c < label)) rank++
  }
  return rank
}
