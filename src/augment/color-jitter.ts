/** Brightness, contrast, saturation and hue by drawn factors, in a drawn order, as torchvision's ColorJitter. */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { interval, probability } from './schemas.ts'

/** A number s for [max(0, 1 − s), 1 + s] (hue: [−s, s]), or [low, high]. */
type Strength = number | readonly [number, number]

export interface ColorJitterOptions {
  readonly brightness?: Strength | undefined
  readonly contrast?: Strength | undefined
  readonly saturation?: Strength | undefined
  /** Of a full circle, at most 0.5. */
  readonly hue?: Strength | undefined
  /** Default 1. */
  readonly p?: number | undefined
}

const strength = z.union([z.number().min(0), interval(0, Infinity)])

export const colorJitterSchema: z.ZodType<boolean | number | ColorJitterOptions> = z.union([
  z.boolean(),
  z.number().min(0),
  z.strictObject({
    brightness: strength.optional().describe('s for factors 1 − s to 1 + s, or [low, high]'),
    contrast: strength.optional(),
    saturation: strength.optional(),
    hue: z
      .union([z.number().min(0).max(0.5), interval(-0.5, 0.5)])
      .optional()
      .describe('share of a full circle: s for −s to s, or [low, high]'),
    p: probability.optional().describe('probability; default 1'),
  }),
])

/** A bare number, and `true` with 0.4, is the strength of brightness, contrast and saturation, without hue (as in timm). */
export function colorJitter(value: number | ColorJitterOptions): Operation {
  const options: ColorJitterOptions =
    typeof value === 'number' ? { brightness: value, contrast: value, saturation: value } : value
  const factors = (s: Strength): readonly [number, number] => (typeof s === 'number' ? [Math.max(0, 1 - s), 1 + s] : s)
  const { hue = 0 } = options
  return {
    name: 'color_jitter',
    options: {
      brightness: factors(options.brightness ?? 0),
      contrast: factors(options.contrast ?? 0),
      saturation: factors(options.saturation ?? 0),
      hue: typeof hue === 'number' ? [-hue, hue] : hue,
      p: options.p ?? 1,
    },
  }
}
