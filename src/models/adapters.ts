/**
 * Adapters: LoRA (Hu et al. 2021, arXiv 2106.09685) and IA3 (Liu et al. 2022, arXiv 2205.05638), a few weights that are trained in
 * place of the network's own.
 */
import { z } from 'zod'
import { readSafetensors } from '../binding/index.ts'
import type { NativeModule, Tensor } from '../binding/index.ts'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import type { OptionShape } from '../util/option-shape.ts'
import type { Model } from './model.ts'
import { nativeOptions } from './native-options.ts'
import { saveSafetensors } from './weights.ts'

export interface AdapterOptions {
  /** r of LoRA; 0: none */
  readonly loraRank?: number | undefined
  /** α: the branch is multiplied by α / r; default r */
  readonly loraAlpha?: number | undefined
  /** of the branch's input, while training; default 0 */
  readonly loraDropout?: number | undefined
  /** dotted names of linear layers, or their ends, with * and ? within a part; default: the attention's, or where there is none the MLPs' */
  readonly loraTargets?: readonly string[] | undefined
  /** scales of keys, values and the input of an MLP's second layer */
  readonly useIa3?: boolean | undefined
}

export const adapterShape: OptionShape<AdapterOptions> = {
  loraRank: z.number().int().min(0).optional().describe('rank of the LoRA adapters; the network itself is frozen'),
  loraAlpha: z.number().positive().optional().describe('LoRA is scaled by lora_alpha / lora_rank; default lora_rank'),
  loraDropout: z.number().min(0).lt(1).optional().describe('dropout on the LoRA branch'),
  loraTargets: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('linear layers with LoRA, such as qkv or mlp.*; default: attention, or MLPs where there is none'),
  useIa3: z
    .boolean()
    .optional()
    .describe('IA3 adapters: scales of keys, values and MLPs; the network itself is frozen'),
}

/** The rule between the keys: a branch that does not exist cannot be scaled. A rank of 0 switches LoRA off, whatever else is said. */
export function checkAdapters(options: AdapterOptions, issues: z.core.$RefinementCtx): void {
  if (options.loraRank !== undefined) return
  for (const key of ['loraAlpha', 'loraDropout', 'loraTargets'] as const) {
    if (options[key] === undefined) continue
    issues.addIssue({ code: 'custom', path: [key], message: 'needs lora_rank beside it' })
  }
}

const keys = Object.keys(adapterShape) as (keyof AdapterOptions)[]

/** The adapters' part of `options`. */
export function adapterOptions(options: AdapterOptions): AdapterOptions {
  return Object.fromEntries(keys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])))
}

export function withoutAdapters<T extends AdapterOptions>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !(keys as string[]).includes(key))) as T
}

export function hasAdapters(options: AdapterOptions): boolean {
  return (options.loraRank ?? 0) > 0 || options.useIa3 === true
}

/** Whether the adapters' weights of one mean the same in the other; dropout is none of them. */
export function sameAdapters(a: AdapterOptions, b: AdapterOptions): boolean {
  const meaning = ({ loraRank = 0, loraAlpha = loraRank, loraTargets, useIa3 = false }: AdapterOptions): string =>
    JSON.stringify([loraRank, loraRank > 0 ? [loraAlpha, loraTargets ?? null] : null, useIa3])
  return meaning(a) === meaning(b)
}

/**
 * The adapters that a file of a training snapshot holds beside the network; null when it holds none.
 *
 * @throws {SnapshotError} when there are some, and the file does not say what they were made by
 */
export function storedAdapters(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>>,
  path: string,
): AdapterOptions | null {
  if (![...tensors.keys()].some((name) => /\.(lora_A|lora_B|ia3_l)$/.test(name))) return null
  const parsed = z.object({ backbone: z.object(adapterShape) }).safeParse(jsonOf(metadata['trivium']))
  if (parsed.success) return adapterOptions(parsed.data.backbone)
  throw new SnapshotError(
    `${path}: it holds adapters, but not the options that they were made by, as files of training snapshots do. ` +
      'Merge the adapters where they were trained, and save the merged network.',
  )
}

/** Keeps the adapters' first values apart from the network's, which are drawn from the same seed. */
const seedOffset = 1_000_003

/**
 * Attaches what `options` ask for; nothing when that is nothing. The network computes what it did before until the adapters are trained.
 *
 * @throws {ConfigError} when the network has no layers for them, or a pattern names none
 */
export async function attachAdapters(
  backbone: NativeModule,
  options: AdapterOptions,
  seed: number | undefined,
): Promise<void> {
  const { loraTargets, ...asked } = adapterOptions(options)
  if (loraTargets?.length === 0)
    throw new ConfigError(
      'lora_targets: expected at least one name of a linear layer, got an empty list. Leave it out for the default.',
    )
  if (Object.keys(asked).length === 0 && loraTargets === undefined) return
  // Switched off in so many words, nothing is drawn, and a seed would be an option without effect.
  const ownSeed = seed === undefined || !hasAdapters(options) ? undefined : seed + seedOffset
  await backbone.attachAdapters(nativeOptions({ ...asked, seed: ownSeed }), loraTargets ?? [])
}

/** The adapters' tensors by name, such as "blocks.0.attn.qkv.lora_A": the network's own, not copies. */
export function adapterState(backbone: NativeModule): Map<string, Tensor> {
  const names = new Set(backbone.adapterNames())
  return new Map([...backbone.namedParameters()].filter(([name]) => names.has(name)))
}

const description = z.object({ backbone: z.string(), adapters: z.object(adapterShape) })

/**
 * Writes the adapters alone, with the options that they were made by: a few kilobytes beside the network's many megabytes. The network is
 * not in the file; whoever reads it needs the same weights under the adapters.
 *
 * @throws {SnapshotError} when the model has no adapters, they are merged, or the file cannot be written
 */
export async function saveAdapters(path: string, model: Pick<Model, 'name' | 'native' | 'adapters'>): Promise<void> {
  const state = adapterState(model.native)
  if (model.adapters === null || state.size === 0)
    throw new SnapshotError(
      `${path}: expected adapters to save, but ${model.name} has ${model.adapters === null ? 'none' : 'merged them; unmerge them first'}.`,
    )
  const about = JSON.stringify({ backbone: model.name, adapters: model.adapters })
  await saveSafetensors(path, state, { format: 'pt', trivium_adapters: about })
}

/**
 * Attaches the adapters of a file of `saveAdapters`, or fills those that are there when they are of the same kind.
 *
 * @throws {SnapshotError} when the file is none, or belongs to another network or other adapters
 */
export async function loadAdapters(path: string, model: Model): Promise<void> {
  const { tensors, metadata } = await readSafetensors(path)
  try {
    const { backbone, adapters } = described(metadata['trivium_adapters'], path)
    if (backbone !== model.name)
      throw new SnapshotError(`${path}: expected adapters of ${model.name}, but these are of ${backbone}.`)
    if (model.adapters === null) await model.attachAdapters(adapters)
    else if (!sameAdapters(model.adapters, adapters))
      throw new SnapshotError(
        `${path}: expected adapters like the model's, ${JSON.stringify(model.adapters)}, but these are ${JSON.stringify(adapters)}. ` +
          'Unload the model’s adapters first.',
      )
    const own = adapterState(model.native)
    const missing = [...own.keys()].filter((name) => !tensors.has(name))
    if (missing.length > 0)
      throw new SnapshotError(
        `${path}: expected a tensor for each adapter, but there is none for ${missing.slice(0, 3).join(', ')}` +
          `${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}.`,
      )
    await model.native.loadStateDict(new Map([...model.native.stateDict(), ...tensors]))
  } finally {
    for (const tensor of tensors.values()) tensor.dispose()
  }
}

function described(text: string | undefined, path: string): z.infer<typeof description> {
  const parsed = description.safeParse(jsonOf(text))
  if (parsed.success) return parsed.data
  throw new SnapshotError(`${path}: expected a file of saveAdapters, but it does not say what adapters it holds.`)
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return null
  }
}
