/** Trivium: image classifiers trained in TypeScript. Everything public, by name. */
export { Tensor, torch, type DType, type TensorOptions } from './binding/index.ts'
export {
  createHead,
  createModel,
  listModels,
  loadAdapters,
  loadWeights,
  saveAdapters,
  saveSafetensors,
  type AdapterOptions,
  type FreezeParts,
  type Head,
  type Model,
} from './models/index.ts'
export { openDataset, type Batch, type Dataset, type DatasetSplits, type Sample } from './data/index.ts'
export { runTraining, type Networks, type TrainingTask } from './train/index.ts'
export { readSnapshot, SnapshotStore, type Snapshot } from './snapshot/index.ts'
export { openPredictor, type Prediction, type Predictor } from './predict/index.ts'
export * from './phases/index.ts'
export { WandbTracker, wandbOptionsSchema, type WandbOptions } from './tracking/index.ts'
export * from './util/errors.ts'
export { createLogger, silentLogger, type Logger } from './util/logger.ts'
