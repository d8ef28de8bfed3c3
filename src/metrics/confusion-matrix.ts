/**
 * Confusion matrix: how often class t (row) was predicted as class p (column).
 */
import { ShapeError } from '../util/errors.ts'
import { checkLabels } from '../util/scores-check.ts'

/**
 * @param labels    [N] in [0, C)
 * @param predicted [N] in [0, C)
 * @returns counts, flat [C, C]; entry t·C + p
 * @throws {DatasetError} when N is 0 or a class is outside [0, C)
 * @throws {ShapeError} when the lengths disagree
 */
export function confusionMatrix(labels: Int32Array, predicted: Int32Array, numClasses: number): Uint32Array {
  if (labels.length !== predicted.length) {
    throw new ShapeError(`Expected one prediction for each of ${labels.length} labels, got ${predicted.length}.`)
  }
  checkLabels(labels, numClasses)
  checkLabels(predicted, numClasses, 'predicted class')
  const counts = new Uint32Array(numClasses * numClasses)
  for (let i = 0; i < labels.length; i++) counts[labels[i]! * numClasses + predicted[i]!]!++
  return counts
}
