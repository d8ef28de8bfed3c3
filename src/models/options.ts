/** What a configuration may say under `backbone`. */
import { z } from 'zod'
import type { OptionShape } from '../util/option-shape.ts'
import { adapterShape, checkAdapters } from './adapters.ts'
import type { AdapterOptions } from './adapters.ts'
import { blockShape } from './block-options.ts'
import type { BlockOptions } from './block-options.ts'
import { hybridShape, withChosenName } from './hybrid.ts'
import type { HybridOptions } from './hybrid.ts'
import { backboneNames } from './names.ts'

/** Options that only some families read; setting one for a network that does not read it is a ConfigError. */
export interface FamilyOptions extends BlockOptions, HybridOptions {
  /** resnet: a 3×3 stem of stride 1 without max pooling, for images of about 32 px */
  readonly cifarStem?: boolean | undefined
  /** small_cnn, cifar_cnn: channels of the first stage */
  readonly width?: number | undefined
  /** vision transformers: side of a patch in pixels; divides the image size */
  readonly patchSize?: number | undefined
}

export interface BackboneOptions extends FamilyOptions, AdapterOptions {
  readonly name: string
  /** what `pretrained` of createModel takes */
  readonly pretrained: boolean | string
}

const shape: OptionShape<BackboneOptions> = {
  name: z.enum(backboneNames).default('resnet18').describe('network; `run-pipeline models` lists them'),
  pretrained: z
    .union([z.boolean(), z.string().min(1)])
    .default(false)
    .describe(
      'true: published weights; hf:<repository>[@<revision>]; or a file (.safetensors, .pth, .pt, .th) of timm’s names',
    ),
  cifarStem: z.boolean().optional().describe('resnet: 3×3 stem without max pooling, for images of about 32 px'),
  width: z.number().int().min(1).max(1024).optional().describe('small_cnn, cifar_cnn: channels of the first stage'),
  patchSize: z.number().int().min(1).max(1024).optional().describe('vision transformers: side of a patch in pixels'),
  ...hybridShape,
  ...adapterShape,
  ...blockShape,
}

export const backboneOptionsSchema: z.ZodType<BackboneOptions> = z
  .strictObject(shape)
  .superRefine(checkAdapters)
  .overwrite(withChosenName)
