/**
 * Precision, recall and F1 of each class and their averages, as scikit-learn's `classification_report` with
 * `labels=range(C)` and `zero_division=0`: a ratio without a denominator is 0, and such a class stays in the macro
 * average. Hence a class that the evaluated set lacks pulls the macro figures down; its support of 0 tells why.
 */
import { DatasetError, ShapeError } from '../util/errors.ts'

export interface ClassScores {
  /** tp / (tp + fp), fraction */
  readonly precision: number
  /** tp / (tp + fn), fraction */
  readonly recall: number
  /** 2tp / (2tp + fp + fn), fraction */
  readonly f1: number
  /** number of samples whose label is this class (for averages: all samples) */
  readonly support: number
}

export interface ClassReport {
  /** [C], in class order */
  readonly classes: readonly ClassScores[]
  /** fraction of samples on the diagonal */
  readonly accuracy: number
  /** unweighted mean over all C classes */
  readonly macro: ClassScores
  /** mean over classes weighted by support */
  readonly weighted: ClassScores
}

/**
 * @param confusion counts, flat [C, C], rows = label
 * @throws {DatasetError} when the matrix counts no sample
 * @throws {ShapeError} when it is not square
 */
export function classReport(confusion: Uint32Array): ClassReport {
  const numClasses = Math.sqrt(confusion.length)
  if (!Number.isInteger(numClasses)) {
    throw new ShapeError(`Expected a square confusion matrix, got ${confusion.length} values.`)
  }
  const labelled = new Float64Array(numClasses)
  const predicted = new Float64Array(numClasses)
  confusion.forEach((count, i) => {
    labelled[Math.floor(i / numClasses)]! += count
    predicted[i % numClasses]! += count
  })
  const hits = Array.from(labelled, (_, c) => confusion[c * numClasses + c]!)
  const classes = hits.map((hit, c) => ({
    precision: ratio(hit, predicted[c]!),
    recall: ratio(hit, labelled[c]!),
    f1: ratio(2 * hit, predicted[c]! + labelled[c]!),
    support: labelled[c]!,
  }))
  const total = sum(labelled)
  if (total === 0) throw new DatasetError('Expected a confusion matrix of at least 1 sample, got one of 0.')
  return {
    classes,
    accuracy: sum(hits) / total,
    macro: average(classes, () => 1 / numClasses, total),
    weighted: average(classes, (scores) => scores.support / total, total),
  }
}

function average(classes: readonly ClassScores[], weight: (s: ClassScores) => number, support: number): ClassScores {
  const mean = (key: 'precision' | 'recall' | 'f1'): number => sum(classes.map((s) => weight(s) * s[key]))
  return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1'), support }
}

function ratio(numerator: number, denominator: number): number {
  return denominator === 0 ? 0 : numerator / denominator
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
