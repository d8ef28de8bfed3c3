import { z } from 'zod'
import { arcfaceLossShape, type ArcFaceLossOptions } from '../../losses/index.ts'
import { adapterOptions, backboneOptionsSchema, type BackboneOptions } from '../../models/index.ts'
import type { Unavailable } from '../../util/unavailable.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Distillation: the student learns the teacher's soft scores and the labels together. */
export interface DistillOptions extends TrainingOptions, MixingOptions, ArcFaceLossOptions {
  readonly temperature: number
  readonly alpha: number
  readonly hardLoss: 'cross_entropy' | 'arcface'
  readonly teacherBackbonePath: string | null
  readonly teacherBackbone: BackboneOptions | null
  readonly teacherHeadPath: string | null
  readonly useEmaTeacher: boolean
}

const schema: z.ZodType<DistillOptions> = z
  .strictObject({
    ...trainingShape({ enabled: true, epochs: 10, batchSize: 128, lr: 5e-4, weightDecay: 0.01, emaDecay: 0.999 }),
    ...mixingShape,
    ...arcfaceLossShape,
    temperature: z.number().positive().default(4).describe('softens teacher and student alike'),
    alpha: z.number().min(0).max(1).default(0.5).describe('weight of the teacher; 1 − alpha is that of the labels'),
    hardLoss: z.enum(['cross_entropy', 'arcface']).default('cross_entropy').describe('loss on the labels'),
    teacherBackbonePath: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('snapshot folder, or weights (a file, hf:<repository>); null: the arcface phase'),
    teacherBackbone: backboneOptionsSchema
      .nullable()
      .default(null)
      .describe('network of the weights in teacher_backbone_path; null: the student’s'),
    teacherHeadPath: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe('file of a head of ours; null: the classifier in teacher_backbone_path'),
    useEmaTeacher: z
      .boolean()
      .default(true)
      .describe('the averaged weights of the teacher’s snapshot rather than the live ones'),
  })
  .superRefine((options, issues) => {
    if (options.teacherHeadPath !== null && options.teacherBackbonePath === null)
      issues.addIssue({
        code: 'custom',
        path: ['teacherHeadPath'],
        message: 'teacher_head_path needs teacher_backbone_path beside it',
      })
    if (options.teacherBackbone !== null && options.teacherBackbonePath === null)
      issues.addIssue({
        code: 'custom',
        path: ['teacherBackbone'],
        message: 'teacher_backbone needs teacher_backbone_path beside it',
      })
    for (const key of Object.keys(adapterOptions(options.teacherBackbone ?? {})))
      issues.addIssue({
        code: 'custom',
        path: ['teacherBackbone', key],
        message: 'a teacher is not trained; adapters that its file holds are merged as it is read. Remove the key',
      })
  })

export const distillOptionsSchema: z.ZodType<DistillOptions> = checkedTraining(schema, 10)
export const unavailableDistill: readonly Unavailable[] = []
