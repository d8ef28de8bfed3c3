/** The whole configuration: the pipeline's sections, and what only the command line needs beside them. */

import { z } from 'zod'
import { phaseNames, type PhaseName } from '../phases/context.ts'
import { pipelineShape, type PipelineConfig } from '../phases/pipeline-config.ts'
import { wandbOptionsSchema, type WandbOptions } from '../tracking/index.ts'
import type { OptionShape } from '../util/option-shape.ts'

export interface LoggingOptions {
  /** One more log file beside logs/<run>/full_pipeline.log; null: none. */
  readonly file: string | null
  /** Lowest level in the log files. */
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly wandb: WandbOptions
}

export interface Config extends PipelineConfig {
  readonly logging: LoggingOptions
  /** Phases of a run that names none; null: by the sections' `enabled`. */
  readonly phases: readonly PhaseName[] | null
}

const loggingShape: OptionShape<LoggingOptions> = {
  file: z.string().min(1).nullable().default(null).describe('one more log file beside logs/<run>/full_pipeline.log'),
  level: z.enum(['debug', 'info', 'warn', 'error']).default('debug').describe('lowest level in the log files'),
  wandb: wandbOptionsSchema.prefault({}),
}

const loggingSchema: z.ZodType<LoggingOptions> = z.strictObject(loggingShape)

export const configSchema: z.ZodType<Config> = z.strictObject({
  phases: z
    .array(z.enum<readonly PhaseName[]>(phaseNames))
    .min(1)
    .nullable()
    .default(null)
    .describe('phases of a run that names none with --phases; null: every section with enabled: true'),
  ...pipelineShape,
  logging: loggingSchema.prefault({}),
})
