import { z } from 'zod'
import { marginKinds, type MarginKind } from '../../losses/index.ts'
import { checkLabelLoss, marginLossShape, type MarginLossOptions } from './label-loss.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Metric tuning: a cosine head with a margin on the target class. */
export interface ArcFaceOptions extends TrainingOptions, MixingOptions, MarginLossOptions {
  readonly backboneLrScale: number
  readonly marginHead: MarginKind | null
  readonly useCurricularface: boolean
  readonly useAdaface: boolean
}

const defaults = { enabled: true, epochs: 20, batchSize: 128, lr: 1e-3, weightDecay: 0.01, emaDecay: 0.999 }

const schema: z.ZodType<ArcFaceOptions> = z
  .strictObject({
    ...trainingShape(defaults),
    ...mixingShape,
    ...marginLossShape,
    backboneLrScale: z
      .number()
      .min(0)
      .default(1)
      .describe('learning rate of the backbone relative to the head’s; 0 freezes it'),
    marginHead: z
      .enum(marginKinds)
      .nullable()
      .default(null)
      .describe('which margin; null: arcface, or what use_curricularface or use_adaface says'),
    useCurricularface: z.boolean().default(false).describe('margin_head: curricularface'),
    useAdaface: z.boolean().default(false).describe('margin_head: adaface'),
  })
  .superRefine((options, issues) => {
    const asked = [
      options.marginHead === null ? null : { key: 'marginHead', as: 'margin_head', kind: options.marginHead },
      options.useCurricularface ? { key: 'useCurricularface', as: 'use_curricularface', kind: 'curricularface' } : null,
      options.useAdaface ? { key: 'useAdaface', as: 'use_adaface', kind: 'adaface' } : null,
    ].filter((one) => one !== null)
    const other = asked.find(({ kind }) => kind !== asked[0]?.kind)
    if (other !== undefined)
      issues.addIssue({
        code: 'custom',
        path: [other.key],
        message: `only one margin can be given, got ${asked.map(({ as, kind }) => (as === 'margin_head' ? `${as}: ${kind}` : `${as}: true`)).join(' and ')}`,
      })
    checkLabelLoss(marginKindOf(options), options, { key: 'margin_head', cosineHead: true, issues })
  })

export function marginKindOf(
  options: Pick<ArcFaceOptions, 'marginHead' | 'useCurricularface' | 'useAdaface'>,
): MarginKind {
  if (options.marginHead !== null) return options.marginHead
  if (options.useCurricularface) return 'curricularface'
  return options.useAdaface ? 'adaface' : 'arcface'
}

export const arcfaceOptionsSchema: z.ZodType<ArcFaceOptions> = checkedTraining(schema, defaults)
