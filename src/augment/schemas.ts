/** Pieces of option schemas that several operations share, and what they become natively. */
import { z } from 'zod'

export const probability: z.ZodNumber = z.number().min(0).max(1)

/** A number r for [−r, r], or [low, high]. */
export type Spread = number | readonly [number, number]

/** Grey level 0–255 of what lies outside the picture, or three levels. */
export type Fill = number | readonly [number, number, number]

export const fillSchema: z.ZodType<Fill | undefined> = z
  .union([z.number().min(0).max(255), z.tuple([z.number(), z.number(), z.number()])])
  .optional()
  .describe('level 0–255 outside the picture, or [r, g, b]; default black')

export const warpInterpolation: z.ZodType<'nearest' | 'bilinear' | undefined> = z
  .enum(['nearest', 'bilinear'])
  .optional()
  .describe('of moved pixels')

const ordered = ([low, high]: readonly [number, number]): boolean => low <= high

/** [low, high] with low ≤ high. */
export function interval(lowest: number, highest: number): z.ZodType<readonly [number, number]> {
  const bound = highest === Infinity ? z.number().min(lowest) : z.number().min(lowest).max(highest)
  return z.tuple([bound, bound]).refine(ordered, 'expected [low, high] with low ≤ high')
}

export function spread(highest: number): z.ZodType<Spread> {
  return z.union([z.number().min(0).max(highest), interval(-highest, highest)])
}

export function toInterval(value: Spread): readonly [number, number] {
  return typeof value === 'number' ? [-value, value] : value
}

/** `fill` as the native side reads it: three levels, or absent. */
export function fillOption(fill: Fill | undefined): { fill?: readonly number[] } {
  if (fill === undefined) return {}
  return { fill: typeof fill === 'number' ? [fill, fill, fill] : fill }
}
