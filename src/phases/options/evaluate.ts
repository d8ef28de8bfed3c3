import { z } from 'zod'
import { augmentationOptionsSchema, type AugmentationOptions } from '../../augment/index.ts'
import type { OptionShape } from '../../util/option-shape.ts'
import type { Unavailable } from '../../util/unavailable.ts'

/** What is measured on the test part, and of which snapshot. */
export interface EvaluatePhaseOptions {
  readonly enabled: boolean
  readonly model: string | null
  readonly ensemble: 'cycles' | readonly string[] | null
  readonly useEma: boolean
  readonly batchSize: number
  readonly split: 'test' | 'validation' | 'train'
  readonly topK: number
  readonly eceBins: number
  readonly energyTemperature: number
  readonly computeMahalanobis: boolean
  readonly computeVim: boolean
  /** views of each picture whose probabilities are averaged; 1: the picture alone */
  readonly ttaRuns: number
  /** what makes the views after the first; null: the standard ones */
  readonly ttaAugmentations: AugmentationOptions | null
}

const shape: OptionShape<EvaluatePhaseOptions> = {
  enabled: z.boolean().default(true),
  model: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'snapshot folder, or weights of the backbone with their classifier (a file, hf:<repository>); null: the last training phase of the run, else backbone.pretrained',
    ),
  ensemble: z
    .union([z.literal('cycles'), z.array(z.string().min(1)).min(1)])
    .nullable()
    .default(null)
    .describe(
      'snapshots whose probabilities are averaged: paths, * for several, or cycles: those that schedule.keep_cycles left of the last training phase',
    ),
  useEma: z.boolean().default(true).describe('the averaged weights where the snapshot has them'),
  batchSize: z.number().int().positive().default(256).describe('pictures, or views of them, in one pass'),
  split: z.enum(['test', 'validation', 'train']).default('test'),
  topK: z.number().int().positive().default(5),
  eceBins: z.number().int().positive().default(15),
  energyTemperature: z.number().positive().default(1),
  computeMahalanobis: z.boolean().default(false),
  computeVim: z.boolean().default(false),
  ttaRuns: z
    .number()
    .int()
    .positive()
    .max(1000)
    .default(1)
    .describe(
      'views of each picture whose probabilities are averaged, the picture itself first; 1 is plain evaluation',
    ),
  ttaAugmentations: augmentationOptionsSchema
    .nullable()
    .default(null)
    .describe(
      'what makes the views after the first; null: pictures moved a little, and mirrored where a training phase has horizontal_flip',
    ),
}

export const evaluateOptionsSchema: z.ZodType<EvaluatePhaseOptions> = z
  .strictObject(shape)
  .refine(({ model, ensemble }) => model === null || ensemble === null, {
    path: ['ensemble'],
    error: 'only one of model and ensemble can be given',
  })
  .refine(({ ttaRuns, ttaAugmentations }) => ttaRuns > 1 || ttaAugmentations === null, {
    path: ['ttaAugmentations'],
    error: 'needs tta_runs of 2 or more: the first view is the picture itself',
  })

export const unavailableEvaluate: readonly Unavailable[] = [
  { key: 'computeMahalanobis', what: 'the Mahalanobis score', isSet: (value) => value === true },
  { key: 'computeVim', what: 'the ViM score', isSet: (value) => value === true },
]
