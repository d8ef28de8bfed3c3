/**
 * The one meaning of a mixed label, for every loss: λ times the loss against the own label plus 1 − λ times the loss against the
 * partner's. Zhang et al. 2017 (mixup), §2. https://arxiv.org/abs/1710.09412
 *
 * For cross-entropy that equals the loss against the mixed distribution. A margin (ArcFace and its relatives) is put on the label of
 * each term: on the own one in the first, on the partner's in the second. Plain distillation has no labels: the teacher sees the mixed
 * picture, and its scores are the target. Decoupled distillation splits one target class off those scores: the dominant label.
 *
 * λ is one number for a batch, or one for each picture where the content of the pictures says how much of each is left.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { rest, times, type Share } from './share.ts'

export interface Labels {
  /** [N] int64 in [0, C) */
  readonly own: Tensor
  /** The partner's; null where nothing is mixed. */
  readonly mixed: {
    readonly partner: Tensor
    /** of the own label, for all pictures alike */
    readonly lambda: Share
    /** [N] of the own label of each picture; used instead of lambda where it is given */
    readonly shares?: Tensor
  } | null
}

/** @param lossOf a loss against hard labels [N] → scalar []; where `shares` [N] are given, of each row that share */
export function mixedLabelLoss(labels: Labels, lossOf: (labels: Tensor, shares: Tensor | null) => Tensor): Tensor {
  const { own, mixed } = labels
  const { ops } = torch
  if (mixed?.shares !== undefined)
    return ops.add(lossOf(own, mixed.shares), lossOf(mixed.partner, othersShares(mixed.shares)))
  if (mixed === null || mixed.lambda === 1) return lossOf(own, null)
  return ops.add(times(lossOf(own, null), mixed.lambda), times(lossOf(mixed.partner, null), rest(mixed.lambda)))
}

/** 1 − shares. @param shares [N] */
function othersShares(shares: Tensor): Tensor {
  return torch.ops.add(torch.ops.neg(shares), 1)
}

/** The label of the larger share; of equal shares the own one. @returns [N] int64 */
export function dominantLabel({ own, mixed }: Labels): Tensor {
  if (mixed?.shares !== undefined) return torch.ops.where(torch.ops.lt(mixed.shares, 0.5), mixed.partner, own)
  if (mixed === null) return own
  if (typeof mixed.lambda === 'number') return mixed.lambda < 0.5 ? mixed.partner : own
  return torch.ops.where(torch.ops.lt(mixed.lambda, 0.5), mixed.partner, own)
}
