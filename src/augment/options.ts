/** What a configuration may say under `augmentations`: a map, applied in the order of the registry, or a list, applied in its own. */
import { z } from 'zod'
import { snakeCase } from '../util/snake-case.ts'
import type { HorizontalFlipOptions } from './horizontal-flip.ts'
import { augmentationKeys, definitions } from './registry.ts'
import type { AugmentationKey, AugmentationMap } from './registry.ts'

/** One step of a list: a key alone (with its defaults), or a map of one key. */
export type AugmentationStep = AugmentationKey | AugmentationMap

export type AugmentationOptions = AugmentationMap | readonly AugmentationStep[]

const shape = Object.fromEntries(
  augmentationKeys.map((key) => [key, (definitions[key].schema as z.ZodType).optional()]),
)

const mapSchema: z.ZodType<AugmentationMap> = z.strictObject(shape)

/** Keys that mean something without a value, in both spellings. */
const bareKeys = augmentationKeys.filter((key) => definitions[key].standard !== undefined)
const spellings = new Map(bareKeys.flatMap((key) => [[snakeCase(key), key] as const, [key, key] as const]))

const stepSchema: z.ZodType<AugmentationStep> = z.union([
  z.enum([...spellings.keys()] as [string, ...string[]]).transform((name) => spellings.get(name) as AugmentationKey),
  mapSchema.refine(
    (step) => Object.keys(step).length === 1,
    'expected one operation in each item of the list: start a new item with "- "',
  ),
])

export const augmentationOptionsSchema: z.ZodType<AugmentationOptions> = z.union([
  mapSchema,
  z.array(stepSchema).max(100),
])

/** The steps that the options ask for, in order, as pairs of key and value. */
export function augmentationSteps(options: AugmentationOptions): { key: AugmentationKey; value: unknown }[] {
  if (!isList(options)) return augmentationKeys.map((key) => ({ key, value: options[key] }))
  return options.map((step) => {
    if (typeof step === 'string') return { key: step, value: true }
    const [key, value] = Object.entries(step)[0] as [AugmentationKey, unknown]
    return { key, value }
  })
}

function isList(options: AugmentationOptions): options is readonly AugmentationStep[] {
  return Array.isArray(options)
}

/** The usual light recipe for a data set. Digits are never mirrored: a mirrored 2 is no digit. */
export function standardAugmentations(dataset: 'digits' | 'cifar10' | 'cifar100' | 'imagefolder'): AugmentationMap {
  return dataset === 'digits' ? { randomCrop: true } : { randomCrop: true, horizontalFlip: true }
}

/** Whether the options mirror pictures left and right: who trains so says that a mirrored picture keeps its class. */
export function mirrorsPictures(options: AugmentationOptions): boolean {
  return augmentationSteps(options).some(
    ({ key, value }) =>
      key === 'horizontalFlip' &&
      value !== undefined &&
      value !== false &&
      (value === true || (value as HorizontalFlipOptions).p !== 0),
  )
}
