/**
 * The four margins behind one face: which one, its options, and the statistics that two of them keep from batch to batch.
 *
 * A margin belongs to training: what a cosine head scores without labels is `cosineLogits`.
 */
import { z } from 'zod'
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import type { OptionShape } from '../util/option-shape.ts'
import { adafaceLogits, featureNorms, imageQuality, updatedNormStatistics, type NormStatistics } from './adaface.ts'
import { arcfaceLogits } from './arcface.ts'
import { cosfaceLogits } from './cosface.ts'
import { curricularfaceLogits, meanTargetCosine, updatedCurriculum } from './curricularface.ts'
import { mixedLabelLoss, type Labels } from './mixed-labels.ts'

export type MarginKind = 'arcface' | 'cosface' | 'adaface' | 'curricularface'

export const marginKinds: readonly [MarginKind, ...MarginKind[]] = ['arcface', 'cosface', 'adaface', 'curricularface']

export interface MarginOptions {
  /** null: the paper's */
  readonly margin: number | null
  readonly scale: number
  /** null: 0.333 */
  readonly adafaceH: number | null
  /** null: 0.01 */
  readonly statisticsMomentum: number | null
}

const paperMargins: Readonly<Record<MarginKind, number>> = {
  arcface: 0.5,
  cosface: 0.35,
  adaface: 0.4,
  curricularface: 0.5,
}

/** Of the cosines, where none is given. */
export const defaultMarginScale: number = 30

export const marginShape: OptionShape<MarginOptions> = {
  margin: z
    .number()
    .min(0)
    .max(1.5)
    .nullable()
    .default(null)
    .describe(
      'radians; of cosface and adaface also in units of the cosine; null: the paper’s (0.5; cosface 0.35, adaface 0.4)',
    ),
  scale: z
    .number()
    .positive()
    .default(defaultMarginScale)
    .describe('multiplies the cosines; the papers use 64 for many thousand classes'),
  adafaceH: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('adaface only: how fast the margin moves with the length of a feature; null: 0.333'),
  statisticsMomentum: z
    .number()
    .gt(0)
    .max(1)
    .nullable()
    .default(null)
    .describe('adaface, curricularface: weight of a new batch in the running statistics; null: 0.01'),
}

/** A margin with what it remembers. Its holder disposes it. */
export class Margin {
  readonly kind: MarginKind
  readonly #margin: number
  readonly #scale: number
  readonly #h: number
  readonly #momentum: number
  /** adaface */
  #norms: NormStatistics | null = null
  /** curricularface: t; null is 0 */
  #curriculum: Tensor | null = null

  constructor(kind: MarginKind, options: MarginOptions) {
    this.kind = kind
    this.#margin = options.margin ?? paperMargins[kind]
    this.#scale = options.scale
    this.#h = options.adafaceH ?? 0.333
    this.#momentum = options.statisticsMomentum ?? 0.01
  }

  /**
   * Moves the statistics by a batch; before its `logits`, and once, also where a step makes two passes over it. Of mixed labels the
   * target's cosine is the mixture of both targets'.
   *
   * @param cosines  [N, C]
   * @param features [N, D] as they enter the cosine head
   */
  observe(cosines: Tensor, labels: Labels, features: Tensor): void {
    const { ops } = torch
    if (this.kind === 'adaface') {
      const norms = updatedNormStatistics(featureNorms(features), this.#norms, this.#momentum)
      if (norms !== null && norms !== this.#norms) this.#setNorms(norms)
    }
    if (this.kind !== 'curricularface') return
    const seen = torch.noGrad(() => mixedLabelLoss(labels, (hard, shares) => meanTargetCosine(cosines, hard, shares)))
    this.#setCurriculum(updatedCurriculum(seen, this.#curriculum ?? ops.zerosLike(seen), this.#momentum))
  }

  /** @param labels [N] hard labels @returns [N, C] scaled logits with the margin on the target column */
  logits(cosines: Tensor, labels: Tensor, features: Tensor): Tensor {
    const options = { margin: this.#margin, scale: this.#scale }
    switch (this.kind) {
      case 'arcface':
        return arcfaceLogits(cosines, labels, options)
      case 'cosface':
        return cosfaceLogits(cosines, labels, options)
      case 'adaface':
        return adafaceLogits(cosines, labels, imageQuality(featureNorms(features), this.#norms, this.#h), options)
      case 'curricularface':
        return curricularfaceLogits(
          cosines,
          labels,
          this.#curriculum ?? torch.zeros([], { device: cosines.device }),
          options,
        )
    }
  }

  /** The statistics, for a snapshot: "norm_mean" and "norm_std", or "t"; each [1], the margin's own memory and no copy. */
  state(): Map<string, Tensor> {
    const { ops } = torch
    const named: [string, Tensor | null][] = [
      ['norm_mean', this.#norms?.mean ?? null],
      ['norm_std', this.#norms?.std ?? null],
      ['t', this.#curriculum],
    ]
    return new Map(named.flatMap(([name, value]) => (value === null ? [] : [[name, ops.reshape(value, [1])]])))
  }

  /**
   * As it was when `state` was taken; of an empty one nothing is remembered.
   *
   * @throws {ShapeError} when one of the two statistics of adaface is missing
   */
  restore(state: ReadonlyMap<string, Tensor>): void {
    const { ops } = torch
    const at = (name: string): Tensor | null => {
      const value = state.get(name)
      return value === undefined ? null : ops.clone(ops.reshape(value, []))
    }
    const [mean, std, t] = [at('norm_mean'), at('norm_std'), at('t')]
    if ((mean === null) !== (std === null))
      throw new ShapeError('adaface: expected norm_mean and norm_std, got one of the two')
    if (this.kind === 'adaface' ? mean === null : t === null) this.dispose()
    if (this.kind === 'adaface' && mean !== null && std !== null) this.#setNorms({ mean, std })
    if (this.kind === 'curricularface' && t !== null) this.#setCurriculum(t)
  }

  dispose(): void {
    this.#norms?.mean.dispose()
    this.#norms?.std.dispose()
    this.#curriculum?.dispose()
    this.#norms = null
    this.#curriculum = null
  }

  // What is remembered stays where it is: a captured pass knows it by its address.
  #setNorms(norms: NormStatistics): void {
    if (this.#norms === null) this.#norms = { mean: torch.keep(norms.mean), std: torch.keep(norms.std) }
    else {
      this.#norms.mean.copyFrom(norms.mean)
      this.#norms.std.copyFrom(norms.std)
    }
  }

  #setCurriculum(t: Tensor): void {
    if (this.#curriculum === null) this.#curriculum = torch.keep(t)
    else this.#curriculum.copyFrom(t)
  }
}
