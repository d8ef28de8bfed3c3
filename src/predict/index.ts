/** Prediction from an exported model. */

export { openPredictor, Predictor } from './predictor.ts'
export type { Prediction, PredictorOptions } from './predictor.ts'
export type { PredictPreprocessing } from './manifest.ts'
export { locateModel } from './locate.ts'
