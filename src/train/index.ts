export { withBestNamed } from './best-snapshot.ts'
export { isBetter, type Monitor } from './best-epoch.ts'
export type { Callback, StepEvent, TrainingControl } from './callback.ts'
export { checkCallbacks } from './check-callbacks.ts'
export { ControlFile } from './callbacks/control-file.ts'
export { HaltPrompt, type Ask } from './callbacks/halt-prompt.ts'
export {
  adjusterOptionsSchema,
  LearningRateAdjuster,
  type AdjusterOptions,
} from './callbacks/learning-rate-adjuster.ts'
export type { PassGraph } from './captured-pass.ts'
export { noDraws } from './pass.ts'
export { searchBatchSize, type BatchSearchOptions, type BatchTrial } from './batch-search.ts'
export { forwardAsFits, forwardNetworks } from './forward.ts'
export type { LoopOptions, LoopParts, LoopResult, SwaOptions, Thaw } from './loop-parts.ts'
export { runTraining } from './loop.ts'
export { LrRange, type LrRangeOptions, type LrRangePoint, type LrRangeResult } from './lr-range.ts'
export type { NonFiniteOptions } from './non-finite.ts'
export type { RateOptions } from './rate.ts'
export { trainWithRewinds, type Beginning } from './rewind.ts'
export { parseTrainingState, type TrainingState } from './state.ts'
export type { Draws, Networks, StepOutput, TrainingTask, Validation } from './task.ts'
