/** The loss on the labels of a training phase: cross-entropy, focal, or a margin with what it remembers; mixed labels included. */
import { torch, type Tensor } from '../binding/index.ts'
import type { Dataset } from '../data/index.ts'
import { classWeights, cosineLogits, crossEntropyLoss, focalLoss, Margin, mixedLabelLoss } from '../losses/index.ts'
import type { PhaseName } from './context.ts'
import type { MixedStep } from './mixing.ts'
import type { HeadSpec } from './networks.ts'
import { isMargin, type LabelLossKind, type LabelLossOptions, type MarginLossOptions } from './options/label-loss.ts'

type Options = MarginLossOptions & Partial<LabelLossOptions>

/** A cosine head with as many directions of each class as the options say. */
export function cosineHead({ subCenters }: Pick<MarginLossOptions, 'subCenters'>): HeadSpec {
  return { kind: 'cosine', subCenters: subCenters ?? 1 }
}

export class LabelLoss {
  readonly kind: LabelLossKind
  readonly #options: Options
  /** multiplies what the head gives to be logits; 1 for a linear head */
  readonly #scale: number
  readonly #margin: Margin | null
  readonly #weights: Tensor | null

  /** @throws {ConfigError} when there are not as many class weights as classes */
  constructor(
    phase: PhaseName,
    kind: LabelLossKind,
    options: Options,
    { train, device, scale }: { readonly train: Dataset; readonly device: string; readonly scale: number },
  ) {
    this.kind = kind
    this.#options = options
    this.#scale = scale
    const weights = classWeights(options.classWeights, train.labels, train.classNames.length, [phase, 'classWeights'])
    this.#weights = weights === null ? null : torch.keep(torch.tensor(weights, { device }))
    this.#margin = isMargin(kind) ? new Margin(kind, options) : null
  }

  /** Moves the statistics of a margin by the batch first. @returns scalar [] */
  of({ outputs, features, labels }: MixedStep): Tensor {
    const { labelSmoothing, focalGamma, focalAlpha } = this.#options
    const margin = this.#margin
    if (margin !== null) {
      margin.observe(outputs, labels, features)
      return mixedLabelLoss(labels, (hard, shares) =>
        crossEntropyLoss(margin.logits(outputs, hard, features), hard, { labelSmoothing }, this.#weights, shares),
      )
    }
    const logits = this.#scale === 1 ? outputs : cosineLogits(outputs, this.#scale)
    const focal = { gamma: focalGamma ?? 2, alpha: focalAlpha ?? 1 }
    return mixedLabelLoss(labels, (hard, shares) =>
      this.kind === 'focal'
        ? focalLoss(logits, hard, focal, this.#weights, shares)
        : crossEntropyLoss(logits, hard, { labelSmoothing }, this.#weights, shares),
    )
  }

  state(): Map<string, Tensor> {
    return this.#margin?.state() ?? new Map<string, Tensor>()
  }

  restore(state: ReadonlyMap<string, Tensor>): void {
    this.#margin?.restore(state)
  }

  dispose(): void {
    this.#margin?.dispose()
    this.#weights?.dispose()
  }
}
