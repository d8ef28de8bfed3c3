/** Names of the numbers that a phase ends with (PhaseResult.metrics): what a sweep can be judged by is known before it runs. */
import type { Metrics } from '../evaluation/index.ts'
import type { PhaseName } from './context.ts'
import type { ExportPhaseOptions } from './options/export.ts'

/** Of a training with validation images; without them the last three are missing. */
const training = ['epochs', 'steps', 'bestEpoch', 'validationAccuracy', 'validationLoss']

const evaluation: Readonly<Record<keyof Metrics, true>> = {
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

export function reportedMetrics(phase: PhaseName, { formats }: Pick<ExportPhaseOptions, 'formats'>): readonly string[] {
  switch (phase) {
    case 'train':
    case 'supcon':
    case 'arcface':
    case 'distill':
      return training
    case 'evaluate':
      return Object.keys(evaluation)
    case 'export':
      return [
        ...(formats.includes('onnx') ? ['onnxBytes', 'maxAbsoluteDifference', 'top1Agreement'] : []),
        ...(formats.includes('torchscript') ? ['torchscriptBytes'] : []),
      ]
  }
}
