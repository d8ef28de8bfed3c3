/** Evaluation: run a data set through a model, compute every metric, write every artefact. */
export { collectScores, type CollectOptions, type Answer, type EvaluationBatch } from './collect.ts'
export { evaluateScores, type EvaluateOptions, type Metrics, type OptionalMetrics } from './evaluate.ts'
export { noveltyMetricNames } from './novelty-metrics.ts'
export {
  loadScores,
  noveltyNames,
  saveScores,
  validateScores,
  type Novelty,
  type NoveltyName,
  type Scores,
} from './scores.ts'
export { writeEvaluation } from './write.ts'
