/** Options that every training phase has: budget, batch, optimizer, schedule, averaging, snapshots. */
import { z } from 'zod'
import { augmentationOptionsSchema, type AugmentationOptions } from '../../augment/index.ts'
import { backboneOptionsSchema, type BackboneOptions } from '../../models/index.ts'
import { adjusterOptionsSchema, type AdjusterOptions } from '../../train/index.ts'
import type { OptionShape } from '../../util/option-shape.ts'
import type { Precision } from '../context.ts'
import { freezeSchema, type FreezeOptions } from './freeze.ts'

export interface TrainingOptions {
  readonly enabled: boolean
  readonly epochs: number | null
  readonly steps: number | null
  readonly batchSize: number
  readonly imageSize: number | null
  readonly optimizer: 'adamw' | 'sgd'
  readonly lr: number
  readonly weightDecay: number
  readonly decayNormsAndBiases: boolean
  readonly momentum: number
  readonly nesterov: boolean
  readonly beta1: number
  readonly beta2: number
  readonly schedule: 'cosine' | 'constant'
  readonly warmupEpochs: number | null
  readonly warmupSteps: number | null
  readonly finalLrFraction: number
  readonly precision: Precision | null
  readonly emaDecay: number
  readonly gradClip: number
  readonly augmentations: AugmentationOptions
  readonly backbone: BackboneOptions | null
  /** true: the whole backbone, for good */
  readonly freeze: boolean | FreezeOptions
  readonly layerDecay: number
  readonly initFrom: string | null
  readonly useValidation: boolean
  readonly monitor: 'accuracy' | 'loss'
  readonly earlyStopping: boolean
  readonly earlyStoppingPatience: number
  /** lowers the learning rate when epochs stop getting better; null does not */
  readonly lra: AdjusterOptions | null
  /** epochs after which someone at the terminal is asked whether to go on; null does not ask */
  readonly askEpoch: number | null
  readonly snapshotEvery: number
  readonly keep: number
}

/** What differs between phases when the configuration says nothing. */
export interface TrainingDefaults {
  readonly enabled: boolean
  readonly epochs: number
  readonly batchSize: number
  readonly lr: number
  readonly weightDecay: number
  readonly emaDecay: number
}

const positiveInteger = z.number().int().positive()

export function trainingShape(defaults: TrainingDefaults): OptionShape<TrainingOptions> {
  return {
    enabled: z.boolean().default(defaults.enabled).describe('run this phase when no phases are named'),
    epochs: positiveInteger
      .nullable()
      .default(null)
      .describe(`length in epochs; ${defaults.epochs} when steps is not given either`),
    steps: positiveInteger.nullable().default(null).describe('length in optimizer steps, instead of epochs'),
    batchSize: positiveInteger.default(defaults.batchSize).describe('images per step (SupCon: each gives two views)'),
    imageSize: positiveInteger
      .nullable()
      .default(null)
      .describe("side of the network's input in pixels; null: data.image_size"),
    optimizer: z.enum(['adamw', 'sgd']).default('adamw'),
    lr: z.number().positive().default(defaults.lr).describe('peak learning rate'),
    weightDecay: z.number().min(0).default(defaults.weightDecay),
    decayNormsAndBiases: z.boolean().default(false).describe('apply weight decay to one-dimensional parameters too'),
    momentum: z.number().min(0).lt(1).default(0.9).describe('sgd only'),
    nesterov: z.boolean().default(true).describe('sgd only'),
    beta1: z.number().min(0).lt(1).default(0.9).describe('adamw only'),
    beta2: z.number().min(0).lt(1).default(0.999).describe('adamw only'),
    schedule: z.enum(['cosine', 'constant']).default('cosine'),
    warmupEpochs: z.number().min(0).nullable().default(null).describe('linear warm-up from 0; may be a fraction'),
    warmupSteps: z.number().int().min(0).nullable().default(null).describe('linear warm-up, instead of warmup_epochs'),
    finalLrFraction: z.number().min(0).max(1).default(0).describe('cosine ends at this fraction of lr'),
    precision: z
      .enum(['float32', 'bfloat16'])
      .nullable()
      .default(null)
      .describe('of the forward and backward pass; null: the general one'),
    emaDecay: z.number().min(0).lt(1).default(defaults.emaDecay).describe('decay of the weight average; 0 keeps none'),
    gradClip: z.number().min(0).default(0).describe('largest global gradient norm; 0 does not clip'),
    augmentations: augmentationOptionsSchema.prefault({}),
    backbone: backboneOptionsSchema
      .nullable()
      .default(null)
      .describe('this phase’s network; null: the general backbone'),
    freeze: freezeSchema.default(false).describe('what is not trained; true: the whole backbone'),
    layerDecay: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe('learning rate of each layer of the backbone relative to the next; 0.75 is usual for fine-tuning'),
    initFrom: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('snapshot folder to start from; null: the predecessor’s best'),
    useValidation: z.boolean().default(true).describe('measure the validation part after each epoch'),
    monitor: z
      .enum(['accuracy', 'loss'])
      .default('accuracy')
      .describe('what the best snapshot and early stopping go by'),
    earlyStopping: z.boolean().default(false),
    earlyStoppingPatience: positiveInteger.default(5).describe('epochs without improvement before stopping'),
    lra: adjusterOptionsSchema
      .nullable()
      .default(null)
      .describe('lower the learning rate when epochs stop getting better; {} for the usual values, null: do not'),
    askEpoch: z
      .number()
      .int()
      .min(0)
      .nullable()
      .default(null)
      .describe(
        'epochs after which is asked at the terminal whether to go on; logs/<run>/control.json does it without one',
      ),
    snapshotEvery: positiveInteger.default(1).describe('epochs between snapshots'),
    keep: positiveInteger.default(2).describe('snapshots kept besides the best'),
  }
}

/** The rules between keys. `defaultEpochs` is filled in where neither epochs nor steps is given. */
export function checkedTraining<T extends TrainingOptions>(schema: z.ZodType<T>, defaultEpochs: number): z.ZodType<T> {
  return schema
    .superRefine((options, issues) => {
      if (options.epochs !== null && options.steps !== null)
        issues.addIssue({
          code: 'custom',
          path: ['steps'],
          message: `only one of epochs and steps can be given, got epochs=${options.epochs} and steps=${options.steps}`,
        })
      if (options.warmupEpochs !== null && options.warmupSteps !== null)
        issues.addIssue({
          code: 'custom',
          path: ['warmupSteps'],
          message: 'only one of warmup_epochs and warmup_steps can be given',
        })
      const thaw = typeof options.freeze === 'boolean' ? null : options.freeze.untilEpoch
      const epochs = options.epochs ?? (options.steps === null ? defaultEpochs : null)
      if (thaw !== null && epochs !== null && thaw >= epochs)
        issues.addIssue({
          code: 'custom',
          path: ['freeze', 'untilEpoch'],
          message: `expected less than the phase’s ${epochs} epochs, got ${thaw}: nothing would thaw. Remove it to freeze for good`,
        })
    })
    .transform((options) =>
      options.epochs === null && options.steps === null ? { ...options, epochs: defaultEpochs } : options,
    )
}

/** Mixing within a batch. */
export const mixingShape: OptionShape<MixingOptions> = {
  mixMethod: z
    .enum(['none', 'mixup', 'cutmix', 'fmix', 'cutout', 'tokenmix', 'mixtoken'])
    .default('none')
    .describe('how the pictures of a batch are mixed; mixtoken mixes tokens, in vision transformers'),
  mixAlpha: z.number().positive().default(1).describe('of the Beta(alpha, alpha) of the mixing weight'),
  mixProbability: z.number().min(0).max(1).default(1).describe('that a batch is mixed'),
  useManifoldMixup: z
    .boolean()
    .default(false)
    .describe('mix hidden states at a random depth; with mix_method, half of the batches each'),
}

export interface MixingOptions {
  readonly mixMethod: 'none' | 'mixup' | 'cutmix' | 'fmix' | 'cutout' | 'tokenmix' | 'mixtoken'
  readonly mixAlpha: number
  readonly mixProbability: number
  readonly useManifoldMixup: boolean
}
