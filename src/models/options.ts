/** What a configuration may say under `backbone`. */
import { z } from 'zod'
import type { OptionShape } from '../util/option-shape.ts'
import { unavailable } from '../util/unavailable.ts'
import type { Unavailable } from '../util/unavailable.ts'
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

export interface BackboneOptions extends FamilyOptions {
  readonly name: string
  /** false: random weights; a path: a .safetensors file with timm's names */
  readonly pretrained: boolean | string
  // Accepted so that published configurations load; see unavailableBackbone.
  readonly vitModel?: unknown
  readonly cnnModel?: unknown
  readonly loraRank?: unknown
  readonly loraAlpha?: unknown
  readonly loraDropout?: unknown
  readonly useIa3?: unknown
  readonly useCbam?: unknown
  readonly useMixstyle?: unknown
}

const ratio = z.number().min(0).max(1)
const count = z.number().int().min(0)
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
  loraRank: count.optional().describe('rank of the LoRA adapters'),
  loraAlpha: z.number().min(0).optional().describe('scale of the LoRA adapters'),
  loraDropout: ratio.optional().describe('dropout on the LoRA branch'),
  useIa3: z.boolean().optional().describe('IA3 adapters'),
  useCbam: z.boolean().optional().describe('CBAM attention'),
  useMixstyle: z.boolean().optional().describe('MixStyle'),
  ...blockShape,
}

export const backboneOptionsSchema: z.ZodType<BackboneOptions> = z.strictObject(shape)

const named = 'hybrid backbones; `name` chooses a network'

export const unavailableBackbone: readonly Unavailable[] = [
  unavailable('vitModel', named),
  unavailable('cnnModel', named),
  unavailable('loraRank', 'LoRA adapters'),
  unavailable('loraAlpha', 'LoRA adapters'),
  unavailable('loraDropout', 'LoRA adapters'),
  unavailable('useIa3', 'IA3 adapters'),
  unavailable('useCbam', 'CBAM'),
  unavailable('useMixstyle', 'MixStyle'),
]
