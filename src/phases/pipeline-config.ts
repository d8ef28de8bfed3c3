/** The whole configuration of a pipeline as one object. The YAML reader builds on this schema; library users fill it directly. */
import { z } from 'zod'
import { dataOptionsSchema, type DataOptions } from '../data/index.ts'
import { backboneOptionsSchema, type BackboneOptions } from '../models/index.ts'
import type { OptionShape } from '../util/option-shape.ts'
import type { Precision } from './context.ts'
import { arcfaceOptionsSchema, type ArcFaceOptions } from './options/arcface.ts'
import { distillOptionsSchema, type DistillOptions } from './options/distill.ts'
import { evaluateOptionsSchema, type EvaluatePhaseOptions } from './options/evaluate.ts'
import { exportOptionsSchema, type ExportPhaseOptions } from './options/export.ts'
import { supconOptionsSchema, type SupConOptions } from './options/supcon.ts'
import { trainOptionsSchema, type TrainOptions } from './options/train.ts'

export interface PredictOptions {
  /** a folder or file of new images; null: `inference_images/` where it exists */
  readonly images: string | null
}

export interface PipelineConfig {
  readonly run: { readonly name: string; readonly directory: string; readonly snapshotFallback: string | null }
  readonly seed: number
  /** 'auto' takes the first CUDA device where there is one */
  readonly device: string
  /** threads of LibTorch; 0 leaves its own choice */
  readonly threads: number
  readonly precision: Precision
  readonly data: DataOptions
  readonly backbone: BackboneOptions
  readonly train: TrainOptions
  readonly supcon: SupConOptions
  readonly arcface: ArcFaceOptions
  readonly distill: DistillOptions
  readonly evaluate: EvaluatePhaseOptions
  readonly export: ExportPhaseOptions
  readonly predict: PredictOptions
}

/** What may be given: every key has a default, at every depth. */
export type PipelineConfigInput = DeepPartial<PipelineConfig>

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> }
    : T

export const pipelineShape: OptionShape<PipelineConfig> = {
  run: z
    .strictObject({
      name: z
        .string()
        .regex(/^[^/\\\0]{1,200}$/u, 'expected the name of a folder: 1 to 200 characters, no slashes')
        .default('run'),
      directory: z.string().min(1).default('.').describe('holds snapshots/, logs/ and eval_results/'),
      snapshotFallback: z
        .string()
        .min(1)
        .nullable()
        .default(null)
        .describe(
          'folder that snapshots go to while snapshots/ takes none (full, read-only, gone); null: the run ends',
        ),
    })
    .prefault({}),
  seed: z.number().int().min(0).max(0xffff_ffff).default(0),
  device: z
    .string()
    .regex(/^(auto|cpu|cuda(:\d+)?)$/, 'one of auto, cpu, cuda, cuda:<index>')
    .default('auto'),
  threads: z.number().int().min(0).max(4096).default(0),
  precision: z.enum(['float32', 'bfloat16', 'float16']).default('float32'),
  data: dataOptionsSchema.prefault({}),
  backbone: backboneOptionsSchema.prefault({}),
  train: trainOptionsSchema.prefault({}),
  supcon: supconOptionsSchema.prefault({}),
  arcface: arcfaceOptionsSchema.prefault({}),
  distill: distillOptionsSchema.prefault({}),
  evaluate: evaluateOptionsSchema.prefault({}),
  export: exportOptionsSchema.prefault({}),
  predict: z.strictObject({ images: z.string().min(1).nullable().default(null) }).prefault({}),
}

export const pipelineConfigSchema: z.ZodType<PipelineConfig> = z.strictObject(pipelineShape)
