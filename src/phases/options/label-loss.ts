/** The loss on the labels: which one, and the keys that belong to it. */
import { z } from 'zod'
import {
  classWeightsSchema,
  defaultMarginScale,
  marginKinds,
  marginShape,
  type ClassWeights,
  type MarginKind,
  type MarginOptions,
} from '../../losses/index.ts'
import type { OptionShape } from '../../util/option-shape.ts'
import { snakeCase } from '../../util/snake-case.ts'

export type LabelLossKind = 'cross_entropy' | 'focal' | MarginKind

export const labelLossKinds: readonly [LabelLossKind, ...LabelLossKind[]] = ['cross_entropy', 'focal', ...marginKinds]

export interface LabelLossOptions extends MarginOptions {
  readonly labelSmoothing: number
  readonly classWeights: ClassWeights
  /** null: 2 */
  readonly focalGamma: number | null
  /** null: 1 */
  readonly focalAlpha: number | null
  /** null: 1 */
  readonly subCenters: number | null
}

/** What the arcface phase has: it always has a margin. */
export type MarginLossOptions = Omit<LabelLossOptions, 'focalGamma' | 'focalAlpha'>

export const marginLossShape: OptionShape<MarginLossOptions> = {
  ...marginShape,
  labelSmoothing: z.number().min(0).lt(1).default(0).describe('share of the target spread over all classes'),
  classWeights: classWeightsSchema
    .default(null)
    .describe('weight of each class in the loss, or "balanced": by the training images; null: all alike'),
  subCenters: z
    .number()
    .int()
    .min(1)
    .max(64)
    .nullable()
    .default(null)
    .describe('directions of each class in a cosine head, the nearest of which counts; null: 1'),
}

export const labelLossShape: OptionShape<LabelLossOptions> = {
  ...marginLossShape,
  focalGamma: z
    .number()
    .min(0)
    .max(10)
    .nullable()
    .default(null)
    .describe('focal only: how much less what is classified well counts; null: 2'),
  focalAlpha: z.number().positive().nullable().default(null).describe('focal only: multiplies the loss; null: 1'),
}

export function isMargin(kind: LabelLossKind): kind is MarginKind {
  return (marginKinds as readonly string[]).includes(kind)
}

interface Issues {
  addIssue(issue: { code: 'custom'; path: string[]; message: string }): void
}

/**
 * Refuses keys that the loss has no use for.
 *
 * @param key        the key that names the loss, as in YAML
 * @param cosineHead whether the head scores cosines whatever the loss is
 */
export function checkLabelLoss(
  kind: LabelLossKind,
  options: Partial<LabelLossOptions>,
  { key, cosineHead, issues }: { readonly key: string; readonly cosineHead: boolean; readonly issues: Issues },
): void {
  const refuse = (at: keyof LabelLossOptions, needs: string): void => {
    if (options[at] == null) return
    issues.addIssue({
      code: 'custom',
      path: [at],
      message: `${snakeCase(at)} is for ${key}: ${needs}, and ${key} is ${kind}. Remove one of the two`,
    })
  }
  if (!isMargin(kind)) refuse('margin', marginKinds.join(', '))
  if (!isMargin(kind) && !cosineHead) {
    refuse('subCenters', marginKinds.join(', '))
    if (options.scale !== defaultMarginScale) refuse('scale', marginKinds.join(', '))
  }
  if (kind !== 'adaface') refuse('adafaceH', 'adaface')
  if (kind !== 'adaface' && kind !== 'curricularface') refuse('statisticsMomentum', 'adaface, curricularface')
  if (kind !== 'focal') {
    refuse('focalGamma', 'focal')
    refuse('focalAlpha', 'focal')
  } else if ((options.labelSmoothing ?? 0) > 0)
    issues.addIssue({
      code: 'custom',
      path: ['labelSmoothing'],
      message: 'label_smoothing is not defined for the focal loss, whose weight is that of one class. Remove it',
    })
}
