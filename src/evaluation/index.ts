/** Evaluation: run a data set through a model, compute every metric, write every artefact. */
export { collectScores, type CollectOptions, type EvaluationBatch } from './collect.ts'
export { evaluateScores, type EvaluateOptions, type Metrics, type OptionalMetrics } from './evaluate.ts'
export { loadScores, saveScores, validateScores, type Scores } from './scores.ts'
export { writeEvaluation } from './write.ts'
