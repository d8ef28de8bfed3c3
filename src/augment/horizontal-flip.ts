/** Mirror left and right. Not for pictures whose meaning turns with it, such as digits and letters. */
import { z } from 'zod'
import type { Operation } from './operation.ts'

export interface HorizontalFlipOptions {
  /** Probability in [0, 1]. Default 0.5. */
  readonly p?: number | undefined
}

export const horizontalFlipSchema: z.ZodType<boolean | HorizontalFlipOptions> = z.union([
  z.boolean(),
  z.strictObject({ p: z.number().min(0).max(1).optional().describe('probability; default 0.5') }),
])

export function horizontalFlip(options: HorizontalFlipOptions): Operation {
  return { name: 'horizontal_flip', options: { p: options.p ?? 0.5 } }
}
