/** Mirror top and bottom. Only for pictures without an up, such as those from above or through a microscope. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { probability } from './schemas.ts'

export interface VerticalFlipOptions {
  /** Probability in [0, 1]. Default 0.5. */
  readonly p?: number | undefined
}

export const verticalFlipSchema: z.ZodType<boolean | VerticalFlipOptions> = z.union([
  z.boolean(),
  z.strictObject({ p: probability.optional().describe('probability; default 0.5') }),
])

export function verticalFlip(options: VerticalFlipOptions): Operation {
  return { name: 'vertical_flip', options: { p: options.p ?? 0.5 } }
}
