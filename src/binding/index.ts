/** The native layer: tensors, networks, optimizers, plans, files. The only folder that loads the addon. */
export { Tensor } from './tensor.ts'
export type { DType } from './tensor.ts'
export { torch } from './torch.ts'
export type { FillOptions, TensorOptions, Torch } from './torch.ts'
export type { Argument, Keywords } from './operators.ts'
export type { Ops } from './operators.generated.ts'
export { supconKernel } from './losses.ts'
export type { ContrastMemory } from './losses.ts'
export { NativeModule, backboneCost, listBackbones, saveTorchScript, traceModule } from './module.ts'
export type { ClassifierParts, HiddenMix, Trace } from './module.ts'
export { StepGraph } from './step-graph.ts'
export { withCapture } from './context.ts'
export { NativeAverage, NativeOptimizer, emaUpdate } from './optimizer.ts'
export type { NativeParameterGroup, NativeUpdate } from './optimizer.ts'
export { NativeAugmentPlan, augmentOperations, resizeAndCenterCrop, resizeImage } from './images.ts'
export type { Interpolation, NativePlanOptions, PlanRequest } from './images.ts'
export { PackedFile, decodeBatch, hashPictures, hashRecords, jpegLibrary } from './pictures.ts'
export type { DecodedBatch, EncodedPicture } from './pictures.ts'
export { FileLock, exitNow, readSafetensors, readTensors, writeSafetensors } from './files.ts'
export { addonPath } from './native.ts'
export type {
  BackboneCost,
  BackboneEntry,
  ClipMode,
  Draw,
  Depth,
  ModuleInfo,
  OptionValue,
  Options,
  Preprocessing,
  StoredTensor,
  TypedArray,
  Versions,
} from './native.ts'
export * from '../util/errors.ts'
