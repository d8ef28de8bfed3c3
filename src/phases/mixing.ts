/**
 * Mixing within a batch, for every phase: pictures before the network (mixup, cutmix, fmix, cutout, tokenmix), tokens as they enter its
 * blocks (MixToken, Jiang et al. 2021, https://arxiv.org/abs/2104.10858), hidden states at a random depth (manifold mixup, Verma et al.
 * 2018, https://arxiv.org/abs/1806.05236: one depth, one λ and one permutation for a batch).
 */
import { torch, type HiddenMix, type NativeModule, type Tensor } from '../binding/index.ts'
import { batchRng, beta, boxMask, drawPartners, mixImages, type MixKey } from '../augment/index.ts'
import type { Batch } from '../data/index.ts'
import type { Labels, Share } from '../losses/index.ts'
import { forwardNetworks, noDraws, type Draws, type Networks } from '../train/index.ts'
import { BindingError, ConfigError } from '../util/errors.ts'
import type { Precision } from './context.ts'
import type { MixingOptions } from './options/training.ts'

/** A batch as the network saw it, and what its labels have become. */
export interface MixedStep {
  /** Outputs of the head. */
  readonly outputs: Tensor
  /** [views · N, D] what entered the head. */
  readonly features: Tensor
  /** [views · N, 3, S, S], mixed where pictures were mixed: what a teacher is shown. */
  readonly images: Tensor
  /** [views · N] */
  readonly labels: Labels
  /** Whom the network mixed inside, where `images` are not mixed: a teacher's scores are mixed with the labels. */
  readonly hiddenPartners: Tensor | null
  /** What tokens were mixed: the pictures as they were, whose tokens stay, and whom each is mixed with. Null for other mixtures. */
  readonly tokens: { readonly images: Tensor; readonly own: Tensor; readonly partners: Tensor } | null
}

export interface BatchMixer {
  /** Whether and how a batch is mixed; pictures are mixed here, before the pass. */
  draw(networks: Networks, batch: Batch): Promise<Draws>
  /** @param draws of the batch; left out, they are drawn */
  forward(networks: Networks, batch: Batch, precision: Precision, draws?: Draws): Promise<MixedStep>
}

/** @param name the phase's, for messages */
export function batchMixer(name: string, options: MixingOptions, seed: number): BatchMixer {
  let parts: number[][] | null = null
  const mixer: BatchMixer = {
    async draw(networks, batch) {
      const key = { seed, epoch: batch.epoch, sample: batch.ids[0] ?? 0 }
      const kind = kindOf(options, key)
      if (kind === 'none') return { ...noDraws, kind }
      if (kind !== 'mixtoken' && kind !== 'manifold') {
        const mixture = mixImages(batch.images, { method: kind, alpha: options.mixAlpha, views: batch.views }, key)
        const { images, partners, lambda, own } = mixture
        // A picture with a hole keeps its label, always.
        const scalars = kind === 'cutout' ? {} : { lambda }
        return { kind, tensors: { images, partners, ...(own === null ? {} : { own }) }, scalars }
      }
      parts ??= await partsOf(networks, batch)
      const mix =
        kind === 'manifold' ? manifold(options, parts, batch, key) : mixToken(name, options, parts, batch, key)
      const { part, lambda, partners, own = null } = mix
      return { kind, tensors: { partners, ...(own === null ? {} : { own }) }, scalars: { part, lambda } }
    },
    async forward(networks, batch, precision, given) {
      const draws = given ?? (await mixer.draw(networks, batch))
      const labels = everyView(batch.labels, batch)
      const kind = draws.kind as Kind
      if (kind === 'none') {
        const passed = await forwardNetworks(networks, batch.images, precision)
        return {
          ...passed,
          images: batch.images,
          labels: { own: labels, mixed: null },
          hiddenPartners: null,
          tokens: null,
        }
      }
      const { images, own = null } = draws.tensors
      const partners = draws.tensors.partners as Tensor
      const lambda = draws.scalars.lambda ?? 1
      if (images !== undefined) {
        const passed = await forwardNetworks(networks, images, precision)
        const tokens = kind === 'tokenmix' && own !== null ? { images: batch.images, own, partners } : null
        return { ...passed, images, labels: mixed(labels, partners, lambda), hiddenPartners: null, tokens }
      }
      const mix = own === null ? hiddenMix(draws) : { part: 0, own, partners }
      const passed = await forwardNetworks(networks, batch.images, precision, mix)
      return {
        ...passed,
        images: batch.images,
        labels: mixed(labels, partners, lambda),
        hiddenPartners: partners,
        tokens: null,
      }
    },
  }
  return mixer
}

/** Where hidden states are mixed, and how much, is of the host: no two batches do the same work. */
function hiddenMix({ scalars, tensors }: Draws): HiddenMix {
  const { part, lambda } = scalars
  if (typeof part !== 'number' || typeof lambda !== 'number')
    throw new BindingError('compile: manifold mixup mixes at another depth in each batch, and cannot be captured')
  return { part, lambda, partners: tensors.partners ?? null }
}

type Kind = MixingOptions['mixMethod'] | 'manifold'

/** The rows of view 0 of a step whose batch has `count` samples; what was mixed in them is not kept. */
export function firstView(step: MixedStep, count: number): MixedStep {
  const rows = (tensor: Tensor): Tensor => torch.ops.slice(tensor, 0, 0, count)
  const { labels, hiddenPartners } = step
  const partner = labels.mixed && { ...labels.mixed, partner: rows(labels.mixed.partner) }
  return {
    outputs: rows(step.outputs),
    features: rows(step.features),
    images: rows(step.images),
    labels: { own: rows(labels.own), mixed: partner },
    hiddenPartners: hiddenPartners && rows(hiddenPartners),
    tokens: null,
  }
}

/** A place of the draws beside those of the mixing itself. */
function kindOf(options: MixingOptions, key: MixKey): Kind {
  const { mixMethod, useManifoldMixup, mixProbability } = options
  if (mixMethod === 'none' && !useManifoldMixup) return 'none'
  const rng = batchRng(key, 'choice')
  if (rng.uniform() >= mixProbability) return 'none'
  if (!useManifoldMixup) return mixMethod
  return mixMethod === 'none' || rng.uniform() < 0.5 ? 'manifold' : mixMethod
}

function mixed(own: Tensor, partners: Tensor, lambda: Share): Labels {
  return { own, mixed: { partner: torch.ops.indexSelect(own, 0, partners), lambda } }
}

/** Images are stacked view by view, so the labels repeat as a block. */
function everyView(labels: Tensor, { views }: Batch): Tensor {
  return views === 1 ? labels : torch.ops.cat(Array.from({ length: views }, () => labels))
}

/** Shapes of what enters the parts of the network, from one picture. */
function partsOf({ backbone }: Pick<Networks, 'backbone'>, { images }: Pick<Batch, 'images'>): Promise<number[][]> {
  return torch.noGrad(async () => {
    // in evaluation mode, so that no running statistics move
    backbone.train(false)
    try {
      return (await backbone.forwardMixed(torch.ops.slice(images, 0, 0, 1), { part: -1 })).parts
    } finally {
      backbone.train(true)
    }
  })
}

type Mixed = HiddenMix & { readonly partners: Tensor; readonly lambda: number }

/**
 * The input of one of the first half of the parts: what a stem gives, or deeper (layers 0–2 of a ResNet's four in the paper). Behind
 * merged tokens nothing is mixed, for the tokens of two pictures no longer stand for the same places.
 */
function manifold({ mixAlpha }: MixingOptions, parts: number[][], batch: Batch, key: MixKey): Mixed {
  const rng = batchRng(key, 'hidden')
  const tokens = parts[0]?.length === 3 ? parts[0][1] : null
  const half = parts.slice(0, Math.floor(parts.length / 2) + 1)
  const eligible = half.filter((shape) => tokens === null || shape[1] === tokens).length
  const lambda = beta(mixAlpha, rng)
  return {
    part: rng.below(Math.max(1, eligible)),
    lambda,
    partners: drawPartners(batch.size, batch.views, rng, batch.images.device),
  }
}

/**
 * Tries a network before anything is trained.
 *
 * @throws {ConfigError} when it has no tokens to mix
 */
export async function checkMixing(
  name: string,
  options: MixingOptions,
  backbone: NativeModule,
  side: number,
): Promise<void> {
  if (options.mixMethod !== 'mixtoken') return
  await torch.scope(async () => {
    gridSide(name, await partsOf({ backbone }, { images: torch.zeros([1, 3, side, side]) }))
  })
}

function gridSide(name: string, parts: number[][]): number {
  const [, tokens = 0] = parts[0] ?? []
  const side = Math.floor(Math.sqrt(tokens))
  if (parts[0]?.length === 3 && side >= 2) return side
  throw new ConfigError(
    `${name}.mix_method: mixtoken mixes the tokens of a vision transformer, and this network has none. Use cutmix instead.`,
    { option: [name, 'mixMethod'] },
  )
}

/** A box of the grid of tokens that enters the first block; λ is what the box leaves. */
function mixToken(name: string, { mixAlpha }: MixingOptions, parts: number[][], batch: Batch, key: MixKey): Mixed {
  const side = gridSide(name, parts)
  const rng = batchRng(key, 'hidden')
  const mask = boxMask(side, side, beta(mixAlpha, rng), rng)
  const { device } = batch.images
  return {
    part: 0,
    lambda: mask.reduce((sum, own) => sum + own, 0) / mask.length,
    own: torch.tensor(mask, { shape: [mask.length], device }).to('bool'),
    partners: drawPartners(batch.size, batch.views, rng, device),
  }
}
