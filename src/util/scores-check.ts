/**
 * The checks that every metric over a flat [N, C] score array makes first, in one voice.
 */
import { DatasetError, NonFiniteError, ShapeError } from './errors.ts'
import type { FloatArray } from './softmax.ts'

/**
 * @param scores flat [N, C]: logits or probabilities
 * @param labels [N] in [0, C)
 * @param what   names the scores in messages, e.g. "logits"
 * @throws {DatasetError} when N is 0, or a label is outside [0, C)
 * @throws {ShapeError} when the lengths disagree
 * @throws {NonFiniteError} when a score is NaN or infinite
 */
export function checkScores(scores: FloatArray, labels: Int32Array, numClasses: number, what = 'logits'): void {
  checkShape(scores.length, labels.length, numClasses, what)
  checkLabels(labels, numClasses)
  checkFinite(scores, numClasses, what)
}

/** @throws {DatasetError} when there is no label, or one is outside [0, numClasses) */
export function checkLabels(labels: Int32Array, numClasses: number, what = 'label'): void {
  if (labels.length === 0) {
    throw new DatasetError('Expected at least 1 sample to evaluate, got 0. Check the split: it may be empty.')
  }
  const bad = labels.findIndex((label) => label < 0 || label >= numClasses)
  if (bad >= 0) {
    throw new DatasetError(
      `Expected every ${what} in [0, ${numClasses}), got ${labels[bad]} at sample ${bad}. ` +
        'Evaluate with the model and the data set that share one list of classes.',
    )
  }
}

/** @throws {NonFiniteError} naming the first sample and class whose score is NaN or infinite */
export function checkFinite(scores: FloatArray, numClasses: number, what: string): void {
  const bad = scores.findIndex((value) => !Number.isFinite(value))
  if (bad < 0) return
  throw new NonFiniteError(
    `Expected finite ${what}, got ${scores[bad]} at sample ${Math.floor(bad / numClasses)}, class ${bad % numClasses}. ` +
      'The model diverged or its snapshot is damaged; evaluate an earlier snapshot.',
  )
}

function checkShape(length: number, samples: number, numClasses: number, what: string): void {
  if (Number.isInteger(numClasses) && numClasses > 0 && length === samples * numClasses) return
  throw new ShapeError(
    `Expected ${what} of ${samples} samples × ${numClasses} classes = ${samples * numClasses} values, got ${length}.`,
  )
}
