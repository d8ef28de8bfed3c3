/** `logging.wandb`: whether, how and under which names a run is recorded for Weights & Biases. */
import { z } from 'zod'
import type { OptionShape } from '../../util/option-shape.ts'

export interface WandbOptions {
  readonly enabled: boolean
  /** null: W&B's own project for runs without one, `uncategorized` */
  readonly project: string | null
  /** null: the run's own name */
  readonly runName: string | null
  /** a user or team; null: the one that the key belongs to */
  readonly entity: string | null
  readonly mode: 'offline' | 'online'
  /** steps from one line of a step's numbers to the next */
  readonly logEverySteps: number
}

const shape: OptionShape<WandbOptions> = {
  enabled: z.boolean().default(false).describe('record the run for Weights & Biases, below wandb/'),
  project: z.string().min(1).nullable().default(null).describe('null: uncategorized'),
  runName: z.string().min(1).nullable().default(null).describe("null: the run's name"),
  entity: z.string().min(1).nullable().default(null).describe('user or team; null: whom the key belongs to'),
  mode: z
    .enum(['offline', 'online'])
    .default('offline')
    .describe('offline: a folder that `wandb sync` uploads; online: sent as well, with WANDB_API_KEY or ~/.netrc'),
  logEverySteps: z.number().int().min(1).default(10).describe("steps from one record of a step's numbers to the next"),
}

export const wandbOptionsSchema: z.ZodType<WandbOptions> = z.strictObject(shape)
