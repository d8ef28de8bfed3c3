import { z } from 'zod'
import { supconLossShape, type SupConLossOptions } from '../../losses/index.ts'
import type { Unavailable } from '../../util/unavailable.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Supervised contrastive pretraining: two views, class-balanced batches, a projection head that is thrown away later. */
export interface SupConOptions extends TrainingOptions, MixingOptions, SupConLossOptions {
  readonly samplesPerClass: number
  readonly classesPerBatch: number | null
  readonly projectionHidden: number | null
  readonly projectionFeatures: number
  readonly localCrops: LocalCropOptions | null
}

/** Small crops of each image beside its two views (multi-crop). */
export interface LocalCropOptions {
  readonly views: number
  /** side in pixels */
  readonly imageSize: number
  /** share of the picture's area, [low, high] */
  readonly scale: readonly [number, number]
}

const share = z.number().gt(0).max(1)

const localCropSchema: z.ZodType<LocalCropOptions> = z.strictObject({
  views: z.number().int().positive().default(4).describe('small crops of each image'),
  imageSize: z.number().int().positive().describe('side of a small crop in pixels; 3/7 of image_size is usual'),
  scale: z
    .tuple([share, share])
    .refine(([low, high]) => low <= high, 'expected [low, high] with low ≤ high')
    .default([0.05, 0.4])
    .describe('share of the picture that a small crop shows'),
})

const defaults = { enabled: true, epochs: 20, batchSize: 128, lr: 1e-3, weightDecay: 0.01, emaDecay: 0.999 }

const schema: z.ZodType<SupConOptions> = z
  .strictObject({
    ...trainingShape(defaults),
    ...mixingShape,
    ...supconLossShape,
    samplesPerClass: z
      .number()
      .int()
      .positive()
      .default(2)
      .describe('images of each class in a batch, each seen in two views'),
    classesPerBatch: z
      .number()
      .int()
      .positive()
      .nullable()
      .default(null)
      .describe('null: batch_size / samples_per_class, at most all'),
    projectionHidden: z.number().int().positive().nullable().default(null).describe('null: as wide as the features'),
    projectionFeatures: z.number().int().positive().default(128),
    localCrops: localCropSchema
      .nullable()
      .default(null)
      .describe('small crops beside the two views: positives of their class like every view'),
  })
  .superRefine(({ localCrops, mixMethod, useManifoldMixup }, issues) => {
    if (localCrops !== null && (mixMethod !== 'none' || useManifoldMixup))
      issues.addIssue({
        code: 'custom',
        path: ['localCrops'],
        message: 'small crops of pictures that are mixed have no label of their own. Remove local_crops, or the mixing',
      })
  })

export const supconOptionsSchema: z.ZodType<SupConOptions> = checkedTraining(schema, defaults)
export const unavailableSupcon: readonly Unavailable[] = []
