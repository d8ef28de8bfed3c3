import { z } from 'zod'

export type ExportFormat = 'onnx' | 'torchscript' | 'safetensors' | 'adapters'

/** Which files an export writes and how closely they must agree with the native model. */
export interface ExportPhaseOptions {
  readonly enabled: boolean
  readonly model: string | null
  readonly useEma: boolean
  readonly formats: readonly ExportFormat[]
  readonly probes: number
  readonly tolerance: number
}

export const exportOptionsSchema: z.ZodType<ExportPhaseOptions> = z.strictObject({
  enabled: z.boolean().default(true),
  model: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'snapshot folder, or weights of the backbone with their classifier (a file, hf:<repository>); null: the last training phase of the run, else backbone.pretrained',
    ),
  useEma: z.boolean().default(true),
  formats: z
    .array(z.enum(['onnx', 'torchscript', 'safetensors', 'adapters']))
    .min(1)
    .default(['onnx', 'torchscript'])
    .describe('safetensors: the backbone under timm’s names, its adapters merged; adapters: those alone'),
  probes: z.number().int().positive().default(64).describe('real test images that both models must agree on'),
  tolerance: z
    .number()
    .positive()
    .default(1e-3)
    .describe('largest difference of a logit, relative to the largest logit or 1'),
})
