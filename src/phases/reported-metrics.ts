/** Names of the numbers that a phase ends with (PhaseResult.metrics): what a sweep can be judged by is known before it runs. */
import { noveltyMetricNames, type Metrics, type OptionalMetrics } from '../evaluation/index.ts'
import type { PhaseName } from './context.ts'
import type { EvaluatePhaseOptions } from './options/evaluate.ts'
import type { ExportPhaseOptions } from './options/export.ts'

/** Of a training with validation images; without them the last three are missing. */
const training = ['epochs', 'steps', 'bestEpoch', 'validationAccuracy', 'validationLoss']

const evaluation: Readonly<Record<Exclude<keyof Metrics, keyof OptionalMetrics>, true>> = {
  samples: true,
  classes: true,
  top1: true,
  top5: true,
  topK: true,
  topKAccuracy: true,
  nll: true,
  brier: true,
  ece: true,
  eceBins: true,
  meanConfidence: true,
  energyMean: true,
  energyStd: true,
  energyTemperature: true,
  macroPrecision: true,
  macroRecall: true,
  macroF1: true,
  weightedPrecision: true,
  weightedRecall: true,
  weightedF1: true,
}

interface Asked {
  readonly evaluate: Pick<EvaluatePhaseOptions, 'computeMahalanobis' | 'computeVim' | 'ttaRuns'>
  readonly export: Pick<ExportPhaseOptions, 'formats'>
}

export function reportedMetrics(phase: PhaseName, asked: Asked): readonly string[] {
  switch (phase) {
    case 'train':
    case 'supcon':
    case 'arcface':
    case 'distill':
      return training
    case 'evaluate':
      return [
        ...Object.keys(evaluation),
        ...(asked.evaluate.computeMahalanobis ? noveltyMetricNames('mahalanobis') : []),
        ...(asked.evaluate.computeVim ? noveltyMetricNames('vim') : []),
        ...(asked.evaluate.ttaRuns > 1 ? ['ttaRuns'] : []),
      ]
    case 'export':
      return [
        ...(asked.export.formats.includes('onnx') ? ['onnxBytes', 'maxAbsoluteDifference', 'top1Agreement'] : []),
        ...(asked.export.formats.includes('torchscript') ? ['torchscriptBytes'] : []),
      ]
  }
}
