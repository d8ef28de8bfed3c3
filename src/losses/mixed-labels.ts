/**
 * The one meaning of a mixed label, for every loss: λ times the loss against the own label plus 1 − λ times the loss against the
 * partner's. Zhang et al. 2017 (mixup), §2. https://arxiv.org/abs/1710.09412
 *
 * For cross-entropy that equals the loss against the mixed distribution. A margin (ArcFace and its relatives) is put on the label of
 * each term: on the own one in the first, on the partner's in the second. Plain distillation has no labels: the teacher sees the mixed
 * picture, and its scores are the target. Decoupled distillation splits one target class off those scores: the dominant label.
 */
import { torch, type Tensor } from '../binding/index.ts'

export interface Labels {
  /** [N] int64 in [0, C) */
  readonly own: Tensor
  /** The partner's; null where nothing is mixed. */
  readonly mixed: { readonly partner: Tensor; readonly lambda: number } | null
}

/** @param lossOf a loss against hard labels [N] → scalar [] */
export function mixedLabelLoss(labels: Labels, lossOf: (labels: Tensor) => Tensor): Tensor {
  const { own, mixed } = labels
  if (mixed === null || mixed.lambda === 1) return lossOf(own)
  const { ops } = torch
  return ops.add(ops.mul(lossOf(own), mixed.lambda), ops.mul(lossOf(mixed.partner), 1 - mixed.lambda))
}

/** The label of the larger share; of equal shares the own one. @returns [N] int64 */
export function dominantLabel({ own, mixed }: Labels): Tensor {
  return mixed !== null && mixed.lambda < 0.5 ? mixed.partner : own
}
