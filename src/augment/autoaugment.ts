/** AutoAugment's learnt policies, Cubuk et al. 2018, as torchvision lists them. https://arxiv.org/abs/1805.09501 */
import { z } from 'zod'
import type { Operation } from './operation.ts'
import { fillOption, fillSchema, warpInterpolation } from './schemas.ts'
import type { Fill } from './schemas.ts'

const policies = ['cifar10', 'imagenet', 'svhn'] as const
type Policy = (typeof policies)[number]

export interface AutoAugmentOptions {
  /** Default imagenet. */
  readonly policy?: Policy | undefined
  /** Default nearest. */
  readonly interpolation?: 'nearest' | 'bilinear' | undefined
  readonly fill?: Fill | undefined
}

export const autoaugmentSchema: z.ZodType<boolean | Policy | AutoAugmentOptions> = z.union([
  z.boolean(),
  z.enum(policies),
  z.strictObject({
    policy: z.enum(policies).optional().describe('default imagenet'),
    interpolation: warpInterpolation,
    fill: fillSchema,
  }),
])

export function autoaugment(value: Policy | AutoAugmentOptions): Operation {
  const options: AutoAugmentOptions = typeof value === 'string' ? { policy: value } : value
  return {
    name: 'autoaugment',
    options: {
      policy: options.policy ?? 'imagenet',
      interpolation: options.interpolation ?? 'nearest',
      ...fillOption(options.fill),
    },
  }
}
