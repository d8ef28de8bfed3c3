/** Backbone and head as a pair: described in state.json, built from the description, filled from a snapshot. */
import { z } from 'zod'
import { torch, type NativeModule, type Tensor } from '../binding/index.ts'
import {
  backboneOptionsSchema,
  createHead,
  modelInfo,
  storedPreparation,
  withoutAdapters,
  withoutWeightless,
  type BackboneOptions,
  type HeadOptions,
} from '../models/index.ts'
import type { Snapshot } from '../snapshot/index.ts'
import { parseTrainingState, type Networks } from '../train/index.ts'
import { SnapshotError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import type { PhaseContext } from './context.ts'

export type HeadSpec =
  | { readonly kind: 'projection'; readonly hiddenFeatures: number | null; readonly outFeatures: number }
  | { readonly kind: 'cosine'; readonly subCenters: number }
  | { readonly kind: 'linear' }

/** Everything needed to use the weights of a snapshot again. */
export interface NetworkSpec {
  readonly backbone: BackboneOptions
  readonly imageSize: number
  readonly resizeTo: number
  readonly interpolation: 'bilinear' | 'bicubic'
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly classNames: readonly string[]
  readonly head: HeadSpec
  /** multiplies the head's outputs to logits: the cosine head's s, 1 for a linear head */
  readonly logitScale: number
}

const channels = z.array(z.number()).length(3)

const specSchema: z.ZodType<NetworkSpec> = z.object({
  backbone: backboneOptionsSchema,
  imageSize: z.number().int().positive(),
  resizeTo: z.number().int().positive(),
  interpolation: z.enum(['bilinear', 'bicubic']).default('bilinear'),
  mean: channels,
  std: channels,
  classNames: z.array(z.string()),
  head: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('projection'),
      hiddenFeatures: z.number().int().positive().nullable(),
      outFeatures: z.number().int().positive(),
    }),
    z.object({ kind: z.literal('cosine'), subCenters: z.number().int().positive().default(1) }),
    z.object({ kind: z.literal('linear') }),
  ]),
  logitScale: z.number().positive(),
})

/** @throws {SnapshotError} when the snapshot was not written by a training phase */
export function specOf(snapshot: Snapshot): NetworkSpec {
  const { network } = parseTrainingState(snapshot.state, snapshot.path)
  const parsed = specSchema.safeParse(network)
  if (parsed.success) return parsed.data
  throw new SnapshotError(`${snapshot.path}/state.json: expected the description of its network, got something else.`)
}

export interface NetworkPair extends Networks {
  readonly numFeatures: number
  dispose(): void
}

/** Fresh networks of `spec`, drawn from the run's seed. */
export async function buildNetworks(
  spec: NetworkSpec,
  context: Pick<PhaseContext, 'createBackbone' | 'device' | 'seed' | 'logger'>,
): Promise<NetworkPair> {
  const { device, seed, logger } = context
  const model = await context.createBackbone({ backbone: spec.backbone, imageSize: spec.imageSize, device, seed })
  if (spec.backbone.pretrained !== false) await warnOfNormalisation(spec.backbone, model.preprocessing, spec, logger)
  const head = await createHead({ ...headOptions(spec, model.numFeatures), device, seed: seed + 1 })
  return {
    backbone: model.native,
    head: head.native,
    numFeatures: model.numFeatures,
    dispose() {
      model.dispose()
      head.dispose()
    },
  }
}

type Normalisation = Pick<NetworkSpec, 'mean' | 'std'>

/**
 * Weights expect images as they were trained on; nothing is changed, but it is said. What they were trained on is known of files that say it,
 * and of networks that were published.
 *
 * @param usual the network's, as it was published if it was
 */
export async function warnOfNormalisation(
  { name, pretrained }: BackboneOptions,
  usual: Normalisation,
  given: Normalisation,
  logger: Logger,
): Promise<void> {
  const words = ({ mean, std }: Normalisation): string => `mean [${mean.join(', ')}] and std [${std.join(', ')}]`
  const stored = await storedPreparation(pretrained)
  const isPublished = pretrained === true || (modelInfo(name)?.weights ?? '') !== ''
  if ((stored === null && !isPublished) || words(stored ?? usual) === words(given)) return
  logger.warn(
    `${name}: images are normalised with ${words(given)}; ` +
      (stored === null
        ? `networks of this name are mostly trained with ${words(usual)}. ` +
          'If these weights were trained with other values than the first, set data.mean and data.std to those.'
        : `the weights of ${String(pretrained)} were trained with ${words(stored)}. Set data.mean and data.std to those.`),
  )
}

function headOptions(spec: NetworkSpec, inFeatures: number): HeadOptions {
  const numClasses = spec.classNames.length
  if (spec.head.kind === 'linear') return { kind: 'linear', inFeatures, numClasses }
  if (spec.head.kind === 'cosine') return { kind: 'cosine', inFeatures, numClasses, subCenters: spec.head.subCenters }
  const { outFeatures, hiddenFeatures } = spec.head
  return { kind: 'projection', inFeatures, outFeatures, hiddenFeatures: hiddenFeatures ?? inFeatures }
}

/** The averaged part where the snapshot has one and it is wanted, else the live one. */
export async function loadPart(
  snapshot: Snapshot,
  part: 'backbone' | 'head',
  useEma: boolean,
): Promise<Map<string, Tensor>> {
  const averaged = `ema_${part}`
  return snapshot.load(useEma && snapshot.parts.includes(averaged) ? averaged : part)
}

/** The networks of a snapshot, in evaluation mode and without gradients. Adapters are merged: what runs is the plain network. */
export async function loadNetworks(
  snapshot: Snapshot,
  useEma: boolean,
  context: Pick<PhaseContext, 'createBackbone' | 'device' | 'seed' | 'logger'>,
): Promise<{ spec: NetworkSpec; pair: NetworkPair }> {
  const spec = specOf(snapshot)
  const pair = await buildNetworks({ ...spec, backbone: withoutPretrained(spec.backbone) }, context)
  await torch.scope(async () => {
    await pair.backbone.loadStateDict(await loadPart(snapshot, 'backbone', useEma))
    await pair.head.loadStateDict(await loadPart(snapshot, 'head', useEma))
  })
  await pair.backbone.mergeAdapters()
  for (const module of [pair.backbone, pair.head]) freeze(module)
  return { spec, pair }
}

export function freeze(module: NativeModule): void {
  module.setRequiresGrad(false)
  module.train(false)
}

/** The same network with its weights about to be replaced: published ones need not be fetched. */
export function withoutPretrained(backbone: BackboneOptions): BackboneOptions {
  return { ...backbone, pretrained: false }
}

/** Whether weights of one fit the other, as far as the options tell; adapters aside, which can be merged into the weights. */
export function isSameArchitecture(a: BackboneOptions, b: BackboneOptions): boolean {
  const text = (options: BackboneOptions): string =>
    JSON.stringify(
      Object.entries(withoutAdapters(withoutWeightless(withoutPretrained(options)))).sort(([x], [y]) =>
        x < y ? -1 : 1,
      ),
    )
  return text(a) === text(b)
}
