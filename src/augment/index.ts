/** Augmentation: options, plans, and the light recipes that are used by default. */
export { augmentationOptionsSchema, standardAugmentations, unavailableAugmentations } from './options.ts'
export type { AugmentationOptions } from './options.ts'
export { AugmentPlan, evaluationPlan, trainingOperations, trainingPlan } from './plan.ts'
export type { PlanOptions } from './plan.ts'
export type { Geometry, Operation } from './operation.ts'
export type { HorizontalFlipOptions } from './horizontal-flip.ts'
export type { RandomCropOptions } from './random-crop.ts'
export type { RandomResizedCropOptions } from './random-resized-crop.ts'
