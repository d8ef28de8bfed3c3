import { z } from 'zod'
import { supconLossShape, type SupConLossOptions } from '../../losses/index.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Supervised contrastive pretraining: several views, class-balanced batches, a projection head that is thrown away later. */
export interface SupConOptions extends TrainingOptions, MixingOptions, SupConLossOptions {
  readonly samplesPerClass: number
  readonly classesPerBatch: number | null
  readonly projectionHidden: number | null
  readonly projectionFeatures: number
  readonly localCrops: LocalCropOptions | null
  readonly views: number
  readonly xbmSize: number
  /** null: 100 */
  readonly xbmStartStep: number | null
}

/** Small crops of each image beside its views (multi-crop). */
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
      .describe('images of each class in a batch, each seen in its views'),
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
      .describe('small crops beside the views: positives of their class like every view'),
    views: z.number().int().min(2).max(16).default(2).describe('augmented versions of each image in a batch'),
    xbmSize: z
      .number()
      .int()
      .min(0)
      .max(2 ** 20)
      .default(0)
      .describe('embeddings of earlier batches that a batch is contrasted with too (cross-batch memory); 0: none'),
    xbmStartStep: z
      .number()
      .int()
      .min(0)
      .nullable()
      .default(null)
      .describe('steps before the memory is used, while embeddings still move fast; null: 100'),
  })
  .superRefine((options, issues) => {
    const { localCrops, mixMethod, useManifoldMixup } = options
    if (localCrops !== null && (mixMethod !== 'none' || useManifoldMixup))
      issues.addIssue({
        code: 'custom',
        path: ['localCrops'],
        message: 'small crops of pictures that are mixed have no label of their own. Remove local_crops, or the mixing',
      })
    const { xbmSize, xbmStartStep, steps } = options
    const refuse = (at: keyof SupConOptions, message: string): void => {
      issues.addIssue({ code: 'custom', path: [at], message })
    }
    if (xbmStartStep !== null && xbmSize === 0)
      refuse('xbmStartStep', 'xbm_start_step needs xbm_size above 0 beside it')
    const start = xbmStartStep ?? 100
    if (xbmSize > 0 && steps !== null && start >= steps)
      refuse(
        'xbmStartStep',
        `expected less than the phase’s ${steps} steps, got ${start}: the memory would never be used`,
      )
    const mixes = mixMethod !== 'none' || useManifoldMixup
    if (xbmSize > 0 && mixes && options.mixProbability === 1)
      refuse(
        'xbmSize',
        'mixed pictures have no class to be remembered by, and with mix_probability: 1 all are mixed. Lower one of the two',
      )
  })

export const supconOptionsSchema: z.ZodType<SupConOptions> = checkedTraining(schema, defaults)
