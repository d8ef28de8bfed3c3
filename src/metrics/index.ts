/** Classification metrics: pure functions over flat [N, C] arrays. Fractions are in 0–1. */
export { classReport, type ClassReport, type ClassScores } from './class-report.ts'
export { confusionMatrix } from './confusion-matrix.ts'
export { negativeLogLikelihood } from './nll.ts'
export { predictedClasses, topClasses, topKAccuracy } from './top-k.ts'
