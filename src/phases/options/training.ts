/** Options that every training phase has: budget, batch, optimizer, schedule, averaging, snapshots. */
import { z } from 'zod'
import { augmentationOptionsSchema, type AugmentationOptions } from '../../augment/index.ts'
import {
  kindsWithAnEnd,
  optimizerKinds,
  optimizerReads,
  scheduleOptions,
  scheduleSchema,
  type LookaheadOptions,
  type OptimizerKind,
  type ScheduleKind,
  type ScheduleOptions,
} from '../../optim/index.ts'
import { backboneOptionsSchema, type BackboneOptions } from '../../models/index.ts'
import { adjusterOptionsSchema, type AdjusterOptions } from '../../train/index.ts'
import type { OptionShape } from '../../util/option-shape.ts'
import { snakeCase } from '../../util/snake-case.ts'
import type { SwaOptions } from '../../train/index.ts'
import type { Precision } from '../context.ts'
import { freezeSchema, type FreezeOptions } from './freeze.ts'
import {
  microBatchSchema,
  nonFiniteSchema,
  type MicroBatch,
  type NonFiniteInput,
  type NonFiniteKind,
} from './survival.ts'
import { lookaheadSchema, samSchema, swaSchema, type SamInput } from './toolkit.ts'

export interface TrainingOptions {
  readonly enabled: boolean
  readonly epochs: number | null
  readonly steps: number | null
  readonly examples: number | null
  readonly batchSize: number
  readonly imageSize: number | null
  readonly accumulation: number
  /** images that go through the network at once; null: the whole batch */
  readonly microBatch: MicroBatch
  readonly optimizer: OptimizerKind
  readonly lr: number
  readonly weightDecay: number
  readonly decayNormsAndBiases: boolean
  readonly momentum: number | null
  readonly nesterov: boolean | null
  readonly beta1: number | null
  readonly beta2: number | null
  readonly sam: boolean | SamInput
  readonly lookahead: boolean | LookaheadOptions
  readonly gradientCentralization: 'none' | 'all' | 'conv'
  readonly schedule: ScheduleKind | ScheduleOptions
  readonly warmupEpochs: number | null
  readonly warmupSteps: number | null
  readonly warmupExamples: number | null
  readonly finalLrFraction: number
  readonly precision: Precision | null
  readonly compile: boolean
  /** null only before the schema has filled in the phase's own */
  readonly emaDecay: number | null
  readonly swa: boolean | SwaOptions
  readonly gradClip: number
  readonly gradClipMode: 'norm' | 'value' | 'adaptive' | null
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
  readonly snapshotMinutes: number
  readonly keep: number
  /** what happens when loss or gradient is NaN or infinite */
  readonly nonFinite: NonFiniteKind | NonFiniteInput
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
    examples: positiveInteger.nullable().default(null).describe('length in training images, instead of epochs'),
    batchSize: positiveInteger.default(defaults.batchSize).describe('images per step (SupCon: each gives its views)'),
    imageSize: positiveInteger
      .nullable()
      .default(null)
      .describe("side of the network's input in pixels; null: data.image_size"),
    accumulation: positiveInteger
      .default(1)
      .describe('batches of a step: gradients are those of the mean over all of them'),
    microBatch: microBatchSchema
      .default(null)
      .describe(
        'images that go through the network at once, with the gradient of the whole batch; auto: fewer when memory runs out',
      ),
    optimizer: z.enum(optimizerKinds).default('adamw'),
    lr: z.number().positive().default(defaults.lr).describe('peak learning rate'),
    weightDecay: z.number().min(0).default(defaults.weightDecay),
    decayNormsAndBiases: z.boolean().default(false).describe('apply weight decay to one-dimensional parameters too'),
    momentum: z.number().min(0).lt(1).nullable().default(null).describe('sgd and muon only; null: 0.9 and 0.95'),
    nesterov: z.boolean().nullable().default(null).describe('sgd and muon only; null: true where there is a momentum'),
    beta1: z.number().min(0).lt(1).nullable().default(null).describe('not for sgd; null: 0.9'),
    beta2: z.number().min(0).lt(1).nullable().default(null).describe('not for sgd; null: 0.999, for lion 0.99'),
    sam: samSchema
      .default(false)
      .describe(
        'sharpness-aware minimisation: each step at the weights where the loss is worst nearby; twice the time',
      ),
    lookahead: lookaheadSchema.default(false).describe('slow weights that follow the optimizer’s'),
    gradientCentralization: z
      .enum(['none', 'all', 'conv'])
      .default('none')
      .describe('gradients of the backbone’s matrices and kernels (conv: its kernels) lose their mean over each unit'),
    schedule: scheduleSchema.default('cosine').describe('a name, or a map of kind and what that kind reads'),
    warmupEpochs: z.number().min(0).nullable().default(null).describe('linear warm-up; may be a fraction'),
    warmupSteps: z.number().int().min(0).nullable().default(null).describe('linear warm-up, instead of warmup_epochs'),
    warmupExamples: z
      .number()
      .int()
      .min(0)
      .nullable()
      .default(null)
      .describe('linear warm-up in training images, instead of warmup_epochs'),
    finalLrFraction: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('where the schedule (each cycle of it) ends, as a fraction of lr; plateau cuts no further'),
    precision: z
      .enum(['float32', 'bfloat16', 'float16'])
      .nullable()
      .default(null)
      .describe('of the backbone’s forward and backward pass; float16 scales the loss; null: the general one'),
    compile: z
      .boolean()
      .default(false)
      .describe(
        'CUDA: the pass over a batch (forward, loss, backward) is captured as a CUDA graph; changes nothing on the CPU',
      ),
    emaDecay: z
      .number()
      .min(0)
      .lt(1)
      .nullable()
      .default(null)
      .describe(`decay of the weight average; 0 keeps none; null: ${defaults.emaDecay}, with swa none`),
    swa: swaSchema.default(false).describe('the plain mean of the weights of the last epochs, instead of ema_decay'),
    gradClip: z
      .number()
      .min(0)
      .default(0)
      .describe('largest gradient, measured as grad_clip_mode says; 0 does not clip'),
    gradClipMode: z
      .enum(['norm', 'value', 'adaptive'])
      .nullable()
      .default(null)
      .describe('the global norm, each element, or each unit’s norm relative to its weights; null: norm'),
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
    earlyStopping: z
      .boolean()
      .default(false)
      .describe('end the phase after early_stopping_patience epochs in which what monitor names was no better'),
    earlyStoppingPatience: positiveInteger.default(5).describe('epochs without improvement, for early_stopping: true'),
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
    snapshotMinutes: z
      .number()
      .min(0)
      .default(10)
      .describe('a snapshot inside an epoch after so many minutes without one; 0: only after epochs'),
    keep: positiveInteger.default(2).describe('snapshots kept besides the best'),
    nonFinite: nonFiniteSchema
      .default('abort')
      .describe(
        'when loss or gradient is NaN or infinite: abort, skip the step, or rewind to the last epoch’s snapshot',
      ),
  }
}

/** The rules between keys; length and average of the phase are filled in where nothing is given. */
export function checkedTraining<T extends TrainingOptions>(
  schema: z.ZodType<T>,
  { epochs: defaultEpochs, emaDecay }: Pick<TrainingDefaults, 'epochs' | 'emaDecay'>,
): z.ZodType<T> {
  return schema
    .superRefine((options, issues) => {
      const issue = (path: PropertyKey[], message: string): void => issues.addIssue({ code: 'custom', path, message })
      oneOf(options, ['epochs', 'steps', 'examples'], issue)
      oneOf(options, ['warmupEpochs', 'warmupSteps', 'warmupExamples'], issue)
      const thaw = typeof options.freeze === 'boolean' ? null : options.freeze.untilEpoch
      const isCounted = options.steps !== null || options.examples !== null
      const epochs = options.epochs ?? (isCounted ? null : defaultEpochs)
      if (thaw !== null && epochs !== null && thaw >= epochs)
        issue(
          ['freeze', 'untilEpoch'],
          `expected less than the phase’s ${epochs} epochs, got ${thaw}: nothing would thaw. Remove it to freeze for good`,
        )
      for (const key of ['momentum', 'nesterov', 'beta1', 'beta2'] as const)
        if (options[key] !== null && !optimizerReads[options.optimizer].includes(key))
          issue(
            [key],
            `the optimizer ${options.optimizer} does not read it. Remove the key or choose another optimizer`,
          )
      if (options.nesterov === true && options.momentum === 0)
        issue(['nesterov'], 'needs a momentum above 0, got momentum=0')
      const { kind, keepCycles } = scheduleOptions(options.schedule)
      const cycleRule = keepCycles === true ? brokenCycleRule(options) : null
      if (cycleRule !== null) issue(['schedule', 'keepCycles'], cycleRule)
      if (kind === 'exponential' && options.finalLrFraction === 0)
        issue(['finalLrFraction'], 'expected more than 0: an exponential schedule ends at this fraction of lr')
      if (options.finalLrFraction > 0 && !kindsWithAnEnd.includes(kind))
        issue(['finalLrFraction'], `the schedule ${kind} does not read it. Remove the key`)
      if (kind === 'plateau' && !options.useValidation)
        issue(['schedule'], 'plateau watches the validation part; set use_validation: true or use another schedule')
      if (options.earlyStopping && !options.useValidation)
        issue(['earlyStopping'], 'watches the validation part; set use_validation: true or remove it')
      if (options.gradClipMode !== null && options.gradClip === 0)
        issue(['gradClipMode'], 'needs grad_clip, the largest gradient, beside it')
      if (options.swa !== false && (options.emaDecay ?? 0) > 0)
        issue(['emaDecay'], 'swa takes the place of the exponential average. Remove one of the two keys')
    })
    .transform((options) => {
      const isCounted = options.steps !== null || options.examples !== null
      return {
        ...options,
        epochs: options.epochs ?? (isCounted ? null : defaultEpochs),
        emaDecay: options.emaDecay ?? (options.swa === false ? emaDecay : 0),
      }
    })
}

/** What keeps the end of a cycle from being a snapshot; null where nothing does. */
function brokenCycleRule(options: TrainingOptions): string | null {
  const { warmupEpochs, warmupSteps, warmupExamples, snapshotEvery, epochs } = options
  if ((warmupSteps ?? 0) > 0 || (warmupExamples ?? 0) > 0 || !Number.isInteger(warmupEpochs ?? 0))
    return 'needs cycles that end with an epoch: give the warm-up as a whole number of warmup_epochs'
  if (snapshotEvery > 1) return 'needs a snapshot after every epoch. Remove snapshot_every'
  const first = (warmupEpochs ?? 0) + (scheduleOptions(options.schedule).cycleEpochs ?? 0)
  return epochs !== null && first > epochs
    ? `no cycle ends within ${epochs} epochs; the first is over after ${first}`
    : null
}

function oneOf<K extends keyof TrainingOptions>(
  options: Readonly<Record<K, unknown>>,
  keys: readonly K[],
  issue: (path: PropertyKey[], message: string) => void,
): void {
  const given = keys.filter((key) => options[key] !== null)
  if (given.length > 1)
    issue(
      [given.at(-1) as K],
      `only one of ${keys.map(snakeCase).join(', ')} can be given, got ${given.map((key) => `${snakeCase(key)}=${String(options[key])}`).join(' and ')}`,
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
