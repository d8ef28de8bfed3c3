/** `vit_model` and `cnn_model`: another way to name the network; both together are a hybrid. */
import { z } from 'zod'
import type { Tensor } from '../binding/index.ts'
import type { OptionShape } from '../util/option-shape.ts'
import type { Model } from './model.ts'
import { backboneNames } from './names.ts'

export interface HybridOptions {
  /** the transformer half; alone: the network */
  readonly vitModel?: string | null | undefined
  /** the convolutional half; alone: the network */
  readonly cnnModel?: string | null | undefined
  /** hybrid: the features of both after each other (default), or a gate that chooses between them (Arevalo et al. 2017) */
  readonly fusion?: 'concat' | 'gate' | undefined
  /** hybrid with a gate: number of features; default that of the transformer */
  readonly fusionWidth?: number | undefined
}

const half = z.enum(backboneNames).nullable().optional()

export const hybridShape: OptionShape<HybridOptions> = {
  vitModel: half.describe('a transformer in the place of `name`; with cnn_model: half of a hybrid'),
  cnnModel: half.describe('a convolutional network in the place of `name`; with vit_model: half of a hybrid'),
  fusion: z
    .enum(['concat', 'gate'])
    .optional()
    .describe('hybrid: features after each other (default), or a gate that chooses between the halves'),
  fusionWidth: z
    .number()
    .int()
    .min(1)
    .max(65536)
    .optional()
    .describe('hybrid with a gate: number of features; default that of the transformer'),
}

/** The halves of a hybrid that names none; the native registry has the same. */
const defaultHalves = { cnnModel: 'convnextv2_tiny', vitModel: 'vit_small_patch14_dinov2' } as const

/** The options with the network they choose as `name`: hybrid for two halves, the one that is given otherwise. */
export function withChosenName<T extends HybridOptions & { readonly name: string }>(options: T): T {
  const { vitModel, cnnModel, ...rest } = options
  const given = [vitModel, cnnModel].filter((name) => typeof name === 'string')
  if (given.length === 0) return rest as T
  if (given.length === 2 || options.name === 'hybrid') return { ...options, name: 'hybrid' }
  return { ...rest, name: given[0] } as T
}

/** The networks whose published weights a network starts from: itself, or both halves of a hybrid. */
export function publishedParts({ name, ...halves }: HybridOptions & { readonly name: string }): string[] {
  if (name !== 'hybrid') return [name]
  return [halves.cnnModel ?? defaultHalves.cnnModel, halves.vitModel ?? defaultHalves.vitModel]
}

/** Options that say nothing to one of the halves, beside those of the hybrid itself. */
const foreign = {
  cnnModel: ['patchSize', 'tokenMergingRatio', 'tokenMergingInflection', 'tokenLearnerTokens'],
  vitModel: ['cifarStem', 'width'],
} as const
const own = ['cnnModel', 'vitModel', 'fusion', 'fusionWidth', 'numClasses']

/**
 * Loads the published weights of both halves; the fusion keeps its random ones.
 *
 * @param create makes one half, with its published weights and without a classifier
 */
export async function loadHalves<T extends HybridOptions>(
  hybrid: Model,
  options: T,
  create: (name: string, options: T) => Promise<Model>,
): Promise<void> {
  const state = new Map<string, Tensor>()
  const halves: Model[] = []
  try {
    for (const key of ['cnnModel', 'vitModel'] as const) {
      const without: readonly string[] = [...own, ...foreign[key]]
      const kept = Object.fromEntries(Object.entries(options).filter(([name]) => !without.includes(name))) as T
      const model = await create(options[key] ?? defaultHalves[key], kept)
      halves.push(model)
      const prefix = key === 'cnnModel' ? 'cnn' : 'vit'
      for (const [name, tensor] of model.stateDict()) state.set(`${prefix}.${name}`, tensor)
    }
    await hybrid.loadStateDict(state, { strict: false })
  } finally {
    for (const model of halves) model.dispose()
  }
}
