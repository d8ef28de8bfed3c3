/** What a configuration may say under `backbone`. */
import { z } from 'zod'
import type { OptionShape } from '../util/option-shape.ts'
import { unavailable } from '../util/unavailable.ts'
import type { Unavailable } from '../util/unavailable.ts'
import { adapterShape, checkAdapters } from './adapters.ts'
import type { AdapterOptions } from './adapters.ts'
import { blockShape } from './block-options.ts'
import type { BlockOptions } from './block-options.ts'
import { backboneNames } from './names.ts'

/** Options that only some families read; setting one for a network that does not read it is a ConfigError. */
export interface FamilyOptions extends BlockOptions {
  /** resnet: a 3×3 stem of stride 1 without max pooling, for images of about 32 px */
  readonly cifarStem?: boolean | undefined
  /** small_cnn, cifar_cnn: channels of the first stage */
  readonly width?: number | undefined
  /** vision transformers: side of a patch in pixels; divides the image size */
  readonly patchSize?: number | undefined
}

export interface BackboneOptions extends FamilyOptions, AdapterOptions {
  readonly name: string
  /** false: random weights; a path: a .safetensors file with timm's names */
  readonly pretrained: boolean | string
  // Accepted so that published configurations load; see unavailableBackbone.
  readonly vitModel?: unknown
  readonly cnnModel?: unknown
  readonly useCbam?: unknown
  readonly useMixstyle?: unknown
}

const modelName = z.string().min(1).nullable().optional()

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
  vitModel: modelName.describe('transformer half of a hybrid backbone'),
  cnnModel: modelName.describe('convolutional half of a hybrid backbone'),
  ...adapterShape,
  useCbam: z.boolean().optional().describe('CBAM attention'),
  useMixstyle: z.boolean().optional().describe('MixStyle'),
  ...blockShape,
}

export const backboneOptionsSchema: z.ZodType<BackboneOptions> = z.strictObject(shape).superRefine(checkAdapters)

const named = 'hybrid backbones; `name` chooses a network'

export const unavailableBackbone: readonly Unavailable[] = [
  unavailable('vitModel', named),
  unavailable('cnnModel', named),
  unavailable('useCbam', 'CBAM'),
  unavailable('useMixstyle', 'MixStyle'),
]
