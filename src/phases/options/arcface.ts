import { z } from 'zod'
import { arcfaceLossShape, type ArcFaceLossOptions } from '../../losses/index.ts'
import type { Unavailable } from '../../util/unavailable.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Metric tuning: a cosine head with an angular margin on the target class. */
export interface ArcFaceOptions extends TrainingOptions, MixingOptions, ArcFaceLossOptions {
  readonly backboneLrScale: number
  readonly useCurricularface: boolean
  readonly useAdaface: boolean
}

const schema: z.ZodType<ArcFaceOptions> = z.strictObject({
  ...trainingShape({ enabled: true, epochs: 20, batchSize: 128, lr: 1e-3, weightDecay: 0.01, emaDecay: 0.999 }),
  ...mixingShape,
  ...arcfaceLossShape,
  backboneLrScale: z
    .number()
    .min(0)
    .default(1)
    .describe('learning rate of the backbone relative to the head’s; 0 freezes it'),
  useCurricularface: z.boolean().default(false),
  useAdaface: z.boolean().default(false),
})

export const arcfaceOptionsSchema: z.ZodType<ArcFaceOptions> = checkedTraining(schema, 20)
export const unavailableArcface: readonly Unavailable[] = [
  { key: 'useCurricularface', what: 'the CurricularFace margin', isSet: (value) => value === true },
  { key: 'useAdaface', what: 'the AdaFace margin', isSet: (value) => value === true },
]
