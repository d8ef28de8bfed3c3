import { z } from 'zod'
import {
  checkLabelLoss,
  isMargin,
  labelLossKinds,
  labelLossShape,
  type LabelLossKind,
  type LabelLossOptions,
} from './label-loss.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Plain supervised training. The flat keys of a simple configuration (num_epochs, learning_rate …) arrive here. */
export interface TrainOptions extends TrainingOptions, MixingOptions, LabelLossOptions {
  readonly lossFunction: LabelLossKind
  /** weight of AugMix's consistency loss between a clean picture and two augmented ones; 0: one version of each picture */
  readonly jsdWeight: number
}

const defaults = { enabled: false, epochs: 10, batchSize: 128, lr: 1e-3, weightDecay: 0.01, emaDecay: 0 }

const schema: z.ZodType<TrainOptions> = z
  .strictObject({
    ...trainingShape(defaults),
    ...mixingShape,
    lossFunction: z
      .enum(labelLossKinds)
      .default('cross_entropy')
      .describe('cross_entropy and focal have a linear head, the margins a cosine head'),
    jsdWeight: z
      .number()
      .min(0)
      .default(0)
      .describe(
        'of the Jensen–Shannon divergence between a clean and two augmented versions of each picture (AugMix: 12); 0: none',
      ),
    ...labelLossShape,
    scale: labelLossShape.scale.describe('multiplies the cosines of a margin'),
  })
  .superRefine((options, issues) => {
    checkLabelLoss(options.lossFunction, options, { key: 'loss_function', cosineHead: false, issues })
    if (options.jsdWeight > 0 && isMargin(options.lossFunction))
      issues.addIssue({
        code: 'custom',
        path: ['jsdWeight'],
        message: `compares probabilities, which ${options.lossFunction} does not give. Use it with cross_entropy or focal`,
      })
  })

export const trainOptionsSchema: z.ZodType<TrainOptions> = checkedTraining(schema, defaults)
