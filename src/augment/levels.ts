/** Operations that map levels to levels, each with a probability: fewer bits, solarisation, contrast to the full range, and so on. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { probability } from './schemas.ts'

export interface LevelOptions {
  /** Default 0.5. */
  readonly p?: number | undefined
}

export interface PosterizeOptions extends LevelOptions {
  /** Bits kept of 8. Default 4. */
  readonly bits?: number | undefined
}

export interface SolarizeOptions extends LevelOptions {
  /** Levels from here on are inverted. Default 128. */
  readonly threshold?: number | undefined
}

const p = probability.optional().describe('probability; default 0.5')

export const levelSchema: z.ZodType<boolean | LevelOptions> = z.union([z.boolean(), z.strictObject({ p })])

export const posterizeSchema: z.ZodType<boolean | PosterizeOptions> = z.union([
  z.boolean(),
  z.strictObject({ bits: z.int().min(0).max(8).optional().describe('bits kept of 8; default 4'), p }),
])

export const solarizeSchema: z.ZodType<boolean | SolarizeOptions> = z.union([
  z.boolean(),
  z.strictObject({
    threshold: z.number().min(0).max(255).optional().describe('levels from here on are inverted; default 128'),
    p,
  }),
])

export function posterize(options: PosterizeOptions): Operation {
  return { name: 'posterize', options: { bits: options.bits ?? 4, p: options.p ?? 0.5 } }
}

export function solarize(options: SolarizeOptions): Operation {
  return { name: 'solarize', options: { threshold: options.threshold ?? 128, p: options.p ?? 0.5 } }
}

/** Each channel stretched to 0–255. */
export function autocontrast(options: LevelOptions): Operation {
  return { name: 'autocontrast', options: { p: options.p ?? 0.5 } }
}

/** Each channel's histogram made flat. */
export function equalize(options: LevelOptions): Operation {
  return { name: 'equalize', options: { p: options.p ?? 0.5 } }
}

export function invert(options: LevelOptions): Operation {
  return { name: 'invert', options: { p: options.p ?? 0.5 } }
}
