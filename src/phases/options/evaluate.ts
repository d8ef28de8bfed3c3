import { z } from 'zod'
import { augmentationOptionsSchema, type AugmentationOptions } from '../../augment/index.ts'
import type { OptionShape } from '../../util/option-shape.ts'

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
  /** features are divided by their length first */
  readonly mahalanobisNormalize: boolean
  /** less the distance to one Gaussian of all classes */
  readonly mahalanobisRelative: boolean
  readonly computeVim: boolean
  /** of the principal space */
  readonly vimDimension: number | null
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
  computeMahalanobis: z
    .boolean()
    .default(false)
    .describe('distance of the features to the nearest class of the training part'),
  mahalanobisNormalize: z
    .boolean()
    .default(false)
    .describe('of features divided by their length first (Mahalanobis++)'),
  mahalanobisRelative: z
    .boolean()
    .default(false)
    .describe('less the distance to one Gaussian of all classes (relative Mahalanobis distance)'),
  computeVim: z
    .boolean()
    .default(false)
    .describe('residual of the features outside the principal space of the training part, against the logits'),
  vimDimension: z
    .number()
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe('directions of the principal space; null: 1000 of 2048 features or more, 512 of 768 or more, else half'),
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
  .superRefine((options, issues) => {
    const { computeMahalanobis, mahalanobisNormalize, mahalanobisRelative, computeVim, vimDimension, ensemble } =
      options
    const refuse = (key: keyof EvaluatePhaseOptions, message: string): void =>
      issues.addIssue({ code: 'custom', path: [key], message })
    if (mahalanobisNormalize && !computeMahalanobis) refuse('mahalanobisNormalize', 'needs compute_mahalanobis: true')
    if (mahalanobisRelative && !computeMahalanobis) refuse('mahalanobisRelative', 'needs compute_mahalanobis: true')
    if (vimDimension !== null && !computeVim) refuse('vimDimension', 'needs compute_vim: true')
    for (const key of ['computeMahalanobis', 'computeVim'] as const)
      if (options[key] && ensemble !== null)
        refuse(key, 'reads the features of one network, and ensemble has several. Give model in its place')
  })
  .refine(({ ttaRuns, ttaAugmentations }) => ttaRuns > 1 || ttaAugmentations === null, {
    path: ['ttaAugmentations'],
    error: 'needs tta_runs of 2 or more: the first view is the picture itself',
  })
