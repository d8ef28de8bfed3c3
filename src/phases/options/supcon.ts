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
}

const schema: z.ZodType<SupConOptions> = z.strictObject({
  ...trainingShape({ enabled: true, epochs: 20, batchSize: 128, lr: 1e-3, weightDecay: 0.01, emaDecay: 0.999 }),
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
})

export const supconOptionsSchema: z.ZodType<SupConOptions> = checkedTraining(schema, 20)
export const unavailableSupcon: readonly Unavailable[] = []
