import { z } from 'zod'
import type { Unavailable } from '../../util/unavailable.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Plain supervised training. The flat keys of a simple configuration (num_epochs, learning_rate …) arrive here. */
export interface TrainOptions extends TrainingOptions, MixingOptions {
  readonly lossFunction: 'cross_entropy' | 'arcface'
  readonly labelSmoothing: number
  readonly margin: number
  readonly scale: number
}

const schema: z.ZodType<TrainOptions> = z.strictObject({
  ...trainingShape({ enabled: false, epochs: 10, batchSize: 128, lr: 1e-3, weightDecay: 0.01, emaDecay: 0 }),
  ...mixingShape,
  lossFunction: z.enum(['cross_entropy', 'arcface']).default('cross_entropy'),
  labelSmoothing: z.number().min(0).lt(1).default(0),
  margin: z.number().min(0).max(1.5).default(0.5).describe('arcface only, radians'),
  scale: z.number().positive().default(30).describe('arcface only'),
})

export const trainOptionsSchema: z.ZodType<TrainOptions> = checkedTraining(schema, 10)
export const unavailableTrain: readonly Unavailable[] = []
