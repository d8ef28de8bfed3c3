/** Luma in all three channels, as torchvision's RandomGrayscale. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { probability } from './schemas.ts'

export interface GreyscaleOptions {
  /** Default 0.2, as in SimCLR. */
  readonly p?: number | undefined
}

export const greyscaleSchema: z.ZodType<boolean | GreyscaleOptions> = z.union([
  z.boolean(),
  z.strictObject({ p: probability.optional().describe('probability; default 0.2') }),
])

export function greyscale(options: GreyscaleOptions): Operation {
  return { name: 'greyscale', options: { p: options.p ?? 0.2 } }
}
