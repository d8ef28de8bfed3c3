export {
  arcfaceLogits,
  arcfaceLoss,
  arcfaceLossSchema,
  arcfaceLossShape,
  cosineLogits,
  type ArcFaceLossOptions,
} from './arcface.ts'
export { crossEntropyLoss, crossEntropySchema, crossEntropyShape, type CrossEntropyOptions } from './cross-entropy.ts'
export { kdLoss, kdSchema, kdShape, type KdOptions } from './kd.ts'
export { mixedLabelLoss, type Labels } from './mixed-labels.ts'
export { supconLoss, supconLossSchema, supconLossShape, type SupConLossOptions } from './supcon.ts'
