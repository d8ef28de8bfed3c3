/**
 * From scores to the numbers of metrics.json. docs/evaluation.md says what each of them is.
 */
import { brierScore, expectedCalibrationError, reliabilityBins, type ReliabilityBin } from '../calibration/index.ts'
import {
  classReport,
  confusionMatrix,
  negativeLogLikelihood,
  predictedClasses,
  topKAccuracy,
  type ClassReport,
} from '../metrics/index.ts'
import { energyScores } from '../ood/index.ts'
import { softmax } from '../util/softmax.ts'
import { noveltyMetrics, type NoveltyMetrics } from './novelty-metrics.ts'
import { validateScores, type Scores } from './scores.ts'

export interface EvaluateOptions {
  /** k of topKAccuracy, and how many classes a row of predictions.csv ranks; default 5 */
  readonly topK?: number
  /** bins of equal width for the calibration error; default 15 */
  readonly eceBins?: number
  /** T of the energy, unitless; default 1 */
  readonly energyTemperature?: number
}

/** A type alias, so that it is also a Record<string, number>. Written to metrics.json with snake_case keys. */
export type Metrics = Readonly<{
  samples: number
  classes: number
  top1: number
  top5: number
  topK: number
  topKAccuracy: number
  nll: number
  brier: number
  ece: number
  eceBins: number
  meanConfidence: number
  energyMean: number
  energyStd: number
  energyTemperature: number
  macroPrecision: number
  macroRecall: number
  macroF1: number
  weightedPrecision: number
  weightedRecall: number
  weightedF1: number
}> &
  Readonly<Partial<OptionalMetrics>>

/** Written where what they tell of was asked for. */
export type OptionalMetrics = { ttaRuns: number } & NoveltyMetrics

/** The metrics with what the tables and charts need beside them. */
export interface Analysis {
  readonly metrics: Metrics
  /** flat [N, C] */
  readonly probabilities: Float64Array
  /** [N] */
  readonly predicted: Int32Array
  /** counts, flat [C, C], rows = true class */
  readonly confusion: Uint32Array
  readonly report: ClassReport
  readonly bins: readonly ReliabilityBin[]
  /** [N] energy scores: higher = more in-distribution */
  readonly energyScores: Float64Array
}

/**
 * @throws {DatasetError} when there is no sample, or a label is outside [0, C)
 * @throws {ShapeError} when lengths disagree
 * @throws {NonFiniteError} when a logit is NaN or infinite
 * @throws {ConfigError} when an option is out of range
 */

export async function evaluateScores(scores: Scores, options: EvaluateOptions = {}): Promise<Metrics> {
  return analyseScores(scores, options).metrics
}

export function analyseScores(scores: Scores, options: EvaluateOptions = {}): Analysis {
  const { topK = 5, eceBins = 15, energyTemperature = 1 } = options
  validateScores(scores)
  const { logits, labels, classNames, ttaRuns, novelty } = scores
  const numClasses = classNames.length
  const probabilities = softmax(logits, numClasses)
  // From the logits: two that differ may have the same probability in floating point.
  const predicted = predictedClasses(logits, numClasses)
  const confidences = Float64Array.from(predicted, (p, row) => probabilities[row * numClasses + p]!)
  const correct = Uint8Array.from(predicted, (p, row) => Number(p === labels[row]))
  const confusion = confusionMatrix(labels, predicted, numClasses)
  const report = classReport(confusion)
  const bins = reliabilityBins(confidences, correct, eceBins)
  const scoresOfEnergy = energyScores(logits, numClasses, energyTemperature)
  const energy = moments(scoresOfEnergy)
  const metrics: Metrics = {
    samples: labels.length,
    classes: numClasses,
    top1: report.accuracy,
    top5: topKAccuracy(logits, labels, numClasses, 5),
    topK,
    topKAccuracy: topKAccuracy(logits, labels, numClasses, topK),
    nll: negativeLogLikelihood(logits, labels, numClasses),
    brier: brierScore(probabilities, labels, numClasses),
    ece: expectedCalibrationError(bins),
    eceBins,
    meanConfidence: moments(confidences).mean,
    energyMean: -energy.mean,
    energyStd: energy.std,
    energyTemperature,
    macroPrecision: report.macro.precision,
    macroRecall: report.macro.recall,
    macroF1: report.macro.f1,
    weightedPrecision: report.weighted.precision,
    weightedRecall: report.weighted.recall,
    weightedF1: report.weighted.f1,
    ...noveltyMetrics(novelty ?? {}),
    ...(ttaRuns === undefined ? {} : { ttaRuns }),
  }
  return { metrics, probabilities, predicted, confusion, report, bins, energyScores: scoresOfEnergy }
}

/** Mean and population standard deviation. */
function moments(values: Float64Array): { mean: number; std: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
  return { mean, std: Math.sqrt(variance) }
}
