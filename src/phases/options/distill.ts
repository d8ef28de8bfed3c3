import { z } from 'zod'
import { adapterOptions, backboneOptionsSchema, type BackboneOptions } from '../../models/index.ts'
import {
  checkLabelLoss,
  labelLossKinds,
  labelLossShape,
  type LabelLossKind,
  type LabelLossOptions,
} from './label-loss.ts'
import { checkedTraining, mixingShape, trainingShape, type MixingOptions, type TrainingOptions } from './training.ts'

/** Distillation: the student learns the teacher's soft scores and the labels together. */
export interface DistillOptions extends TrainingOptions, MixingOptions, LabelLossOptions {
  readonly softLoss: 'kd' | 'dkd'
  readonly temperature: number
  readonly alpha: number
  /** null: 1 */
  readonly dkdAlpha: number | null
  /** null: 8 */
  readonly dkdBeta: number | null
  readonly featureWeight: number
  readonly embeddingWeight: number
  readonly teacherWarmupEpochs: number
  readonly hardLoss: LabelLossKind
  /** null: what the other keys say, else the arcface phase */
  readonly teacher: 'arcface' | 'student_ema' | null
  readonly teacherBackbonePath: string | null
  readonly teacherBackbone: BackboneOptions | null
  readonly teacherHeadPath: string | null
  readonly teacherSnapshots: readonly string[] | null
  readonly useEmaTeacher: boolean | null
}

const path = z.string().min(1)

const defaults = { enabled: true, epochs: 10, batchSize: 128, lr: 5e-4, weightDecay: 0.01, emaDecay: 0.999 }

const schema: z.ZodType<DistillOptions> = z
  .strictObject({
    ...trainingShape(defaults),
    ...mixingShape,
    ...labelLossShape,
    softLoss: z
      .enum(['kd', 'dkd'])
      .default('kd')
      .describe('loss on the teacher’s scores; dkd weighs target and other classes apart'),
    temperature: z.number().positive().default(4).describe('softens teacher and student alike'),
    alpha: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe('weight of the teacher’s scores; 1 − alpha is that of the labels'),
    dkdAlpha: z.number().min(0).nullable().default(null).describe('dkd only: weight of the target class; null: 1'),
    dkdBeta: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe('dkd only: weight of how the other classes are distributed; null: 8'),
    featureWeight: z
      .number()
      .min(0)
      .default(0)
      .describe('weight of the squared difference to the teacher’s pooled features (hints)'),
    embeddingWeight: z.number().min(0).default(0).describe('weight of the cosine distance to the teacher’s features'),
    teacherWarmupEpochs: z
      .number()
      .int()
      .min(0)
      .default(0)
      .describe('epochs in which everything of the teacher’s reaches its weight, linearly'),
    hardLoss: z.enum(labelLossKinds).default('cross_entropy').describe('loss on the labels'),
    teacher: z
      .enum(['arcface', 'student_ema'])
      .nullable()
      .default(null)
      .describe(
        'student_ema: the running average of the student itself; null: the paths below, else the arcface phase',
      ),
    teacherBackbonePath: path
      .nullable()
      .default(null)
      .describe('snapshot folder, or weights (a file, hf:<repository>); null: the arcface phase'),
    teacherBackbone: backboneOptionsSchema
      .nullable()
      .default(null)
      .describe('network of the weights in teacher_backbone_path; null: the student’s'),
    teacherHeadPath: path
      .nullable()
      .default(null)
      .describe('file of a head of ours; null: the classifier in teacher_backbone_path'),
    teacherSnapshots: z
      .array(path)
      .min(1)
      .nullable()
      .default(null)
      .describe('snapshot folders whose mean probabilities teach, of any networks with these classes'),
    useEmaTeacher: z
      .boolean()
      .nullable()
      .default(null)
      .describe(
        'averaged weights of the teacher’s snapshot rather than the live ones; true also lets the student’s own average teach where there is no teacher; null: averaged where there are any',
      ),
  })
  .superRefine((options, issues) => {
    const refuse = (at: keyof DistillOptions, message: string): void => {
      issues.addIssue({ code: 'custom', path: [at], message })
    }
    checkLabelLoss(options.hardLoss, options, { key: 'hard_loss', cosineHead: true, issues })
    for (const key of ['dkdAlpha', 'dkdBeta'] as const)
      if (options[key] !== null && options.softLoss !== 'dkd')
        refuse(
          key,
          `${key === 'dkdAlpha' ? 'dkd_alpha' : 'dkd_beta'} is for soft_loss: dkd, and soft_loss is ${options.softLoss}. Remove one of the two`,
        )
    const { teacher, teacherBackbonePath, teacherSnapshots } = options
    if (options.teacherHeadPath !== null && teacherBackbonePath === null)
      refuse('teacherHeadPath', 'teacher_head_path needs teacher_backbone_path beside it')
    if (options.teacherBackbone !== null && teacherBackbonePath === null)
      refuse('teacherBackbone', 'teacher_backbone needs teacher_backbone_path beside it')
    if (teacherSnapshots !== null && teacherBackbonePath !== null)
      refuse('teacherSnapshots', 'only one of teacher_backbone_path and teacher_snapshots can be given')
    if (teacher !== null && (teacherBackbonePath !== null || teacherSnapshots !== null))
      refuse('teacher', `teacher: ${teacher} and a path of another teacher exclude each other. Remove one of the two`)
    if (teacher === 'student_ema' && options.useEmaTeacher === false)
      refuse('useEmaTeacher', 'use_ema_teacher: false contradicts teacher: student_ema. Remove one of the two')
    if (teacher === 'student_ema' && options.emaDecay === 0)
      refuse('emaDecay', 'teacher: student_ema needs a weight average: ema_decay above 0 (0.999 is usual)')
    for (const key of Object.keys(adapterOptions(options.teacherBackbone ?? {})))
      issues.addIssue({
        code: 'custom',
        path: ['teacherBackbone', key],
        message: 'a teacher is not trained; adapters that its file holds are merged as it is read. Remove the key',
      })
  })

export const distillOptionsSchema: z.ZodType<DistillOptions> = checkedTraining(schema, defaults)
