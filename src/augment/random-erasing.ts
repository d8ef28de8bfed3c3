/** Random erasing of a box of the normalised picture, Zhong et al. 2017. https://arxiv.org/abs/1708.04896 */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { interval, probability } from './schemas.ts'

export interface RandomErasingOptions {
  /** Default 0.25. */
  readonly p?: number | undefined
  /** Area as a share of the picture. Default [0.02, 0.33]. */
  readonly scale?: readonly [number, number] | undefined
  /** Height over width. Default [0.3, 3.3]. */
  readonly ratio?: readonly [number, number] | undefined
  /** Of the normalised picture (0: the mean colour; default), three of them, or `random`: standard normal for each value. */
  readonly value?: number | readonly [number, number, number] | 'random' | undefined
}

export const randomErasingSchema: z.ZodType<boolean | RandomErasingOptions> = z.union([
  z.boolean(),
  z.strictObject({
    p: probability.optional().describe('probability; default 0.25'),
    scale: interval(0, 1).optional().describe('area as a share of the picture; default [0.02, 0.33]'),
    ratio: interval(0.001, 1000).optional().describe('height over width; default [0.3, 3.3]'),
    value: z
      .union([z.number(), z.tuple([z.number(), z.number(), z.number()]), z.literal('random')])
      .optional()
      .describe('of the normalised picture; 0 (default) is the mean colour; "random": normal for each value'),
  }),
])

export function randomErasing(options: RandomErasingOptions): Operation {
  const { value = 0 } = options
  return {
    name: 'random_erasing',
    options: {
      p: options.p ?? 0.25,
      scale: options.scale ?? [0.02, 0.33],
      ratio: options.ratio ?? [0.3, 3.3],
      ...(value === 'random'
        ? { per_pixel: true }
        : { value: typeof value === 'number' ? [value, value, value] : value }),
    },
  }
}
