/** Networks: backbones by name, heads, weights in files. */
export {
  adapterOptions,
  attachAdapters,
  hasAdapters,
  loadAdapters,
  sameAdapters,
  saveAdapters,
  withoutAdapters,
} from './adapters.ts'
export type { AdapterOptions } from './adapters.ts'
export { withoutWeightless } from './block-options.ts'
export type { BlockOptions } from './block-options.ts'
export { createBackbone, createModel } from './create.ts'
export type { BackboneRequest, Listening, ModelOptions } from './create.ts'
export { preparationOf, storedPreparation } from './preparation.ts'
export type { Preparation } from './preparation.ts'
export { withChosenName } from './hybrid.ts'
export type { HybridOptions } from './hybrid.ts'
export { Head, createHead, headKinds } from './head.ts'
export type { CosineHeadOptions, HeadKind, HeadOptions, LinearHeadOptions, ProjectionHeadOptions } from './head.ts'
export { importWeights } from './import.ts'
export type { ImportedWeights } from './import.ts'
export { listModels, modelInfo } from './list.ts'
export type { ModelInfo } from './list.ts'
export { Model } from './model.ts'
export type { FreezeParts, LoadReport } from './model.ts'
export { backboneNames } from './names.ts'
export { backboneOptionsSchema } from './options.ts'
export type { BackboneOptions, FamilyOptions } from './options.ts'
export { ensureWeights, loadPretrained } from './pretrained.ts'
export type { PretrainedReport } from './pretrained.ts'
export { createPublishedClassifier } from './published.ts'
export type { PublishedClassifier } from './published.ts'
export { loadWeights, readWeights, saveSafetensors } from './weights.ts'
export type { WeightsFile } from './weights.ts'
