/**
 * Focal loss, Lin et al. 2017, eq. 5, over a softmax of C classes. https://arxiv.org/abs/1708.02002
 *
 * −α · (1 − p_y)^γ · log p_y, mean over the batch: what is classified well already counts less. γ = 0 is cross-entropy. The paper's α_t
 * weighs foreground against background; over C classes that is a weight for each class, and a single α scales the whole loss.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { checkScores, ofLabel, widened } from './logits.ts'

export interface FocalOptions {
  readonly gamma: number
  readonly alpha: number
}

/** 1 − p is kept from reaching 0, where the gradient of its power is infinite for γ < 1 and the loss has long been 0. */
const smallestMiss = 1e-30

/**
 * @param logits  [N, C]; computed in float32 at least
 * @param labels  [N] int64 in [0, C)
 * @param weights [C], ≥ 0, α of each class beside the common one; null: 1. Unlike in cross-entropy the mean is over N, as in the paper's
 *                code: weights make a batch count more or less
 * @param shares  [N] what each row counts in the mean (mixed labels); null: 1
 * @returns scalar []
 * @throws {ShapeError} when logits and labels disagree on N
 */
export function focalLoss(
  logits: Tensor,
  labels: Tensor,
  options: FocalOptions,
  weights: Tensor | null = null,
  shares: Tensor | null = null,
): Tensor {
  checkScores('focal', 'logits', logits, labels)
  const { ops } = torch
  const logProbability = ofLabel(ops.logSoftmax(widened(logits), 1), labels)
  // expm1: 1 − exp(log p) loses all digits where p is nearly 1
  const miss = ops.clamp(ops.neg(ops.expm1(logProbability)), smallestMiss)
  const each = ops.mul(ops.mul(ops.pow(miss, options.gamma), logProbability), -options.alpha)
  const loss = shares === null ? each : ops.mul(each, shares.to(each.dtype))
  return ops.mean(weights === null ? loss : ops.mul(loss, ops.indexSelect(weights.to(loss.dtype), 0, labels)))
}
