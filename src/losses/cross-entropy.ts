/**
 * Cross-entropy with label smoothing, Szegedy et al. 2015, §7. https://arxiv.org/abs/1512.00567
 * With smoothing ε the target is 1 − ε + ε/C on the label and ε/C elsewhere (what torch calls label_smoothing).
 *
 * With class weights w the loss is Σ w_y · loss / Σ w_y over the batch, as torch's: a batch of one class has the loss it would have
 * without weights. The smoothed part weighs each class by its own weight.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { checkScores, ofLabel, widened } from './logits.ts'

export interface CrossEntropyOptions {
  readonly labelSmoothing: number
}

/** Labels may all have a weight of 0 in a batch. */
const smallestWeight = 1e-12

/**
 * @param logits  [N, C]; computed in float32 at least, whatever arrives
 * @param labels  [N] int64 in [0, C)
 * @param weights [C], ≥ 0; null weighs all classes alike
 * @param shares  [N] what each row counts in the mean (mixed labels); null: 1
 * @returns scalar [], mean over the batch, in nats
 * @throws {ShapeError} when logits and labels disagree on N
 */
export function crossEntropyLoss(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions,
  weights: Tensor | null = null,
  shares: Tensor | null = null,
): Tensor {
  checkScores('cross-entropy', 'logits', logits, labels)
  const { ops } = torch
  const { labelSmoothing } = options
  const logProbability = ops.logSoftmax(widened(logits), 1)
  if (weights !== null || shares !== null) {
    const counts = shares?.to(logProbability.dtype) ?? null
    return weighted(logProbability, labels, labelSmoothing, weights?.to(logProbability.dtype) ?? null, counts)
  }
  const onLabel = ops.mean(ops.gather(logProbability, 1, ops.unsqueeze(labels, 1)))
  if (labelSmoothing === 0) return ops.neg(onLabel)
  const overClasses = ops.mean(logProbability)
  return ops.neg(ops.add(ops.mul(onLabel, 1 - labelSmoothing), ops.mul(overClasses, labelSmoothing)))
}

function weighted(
  logProbability: Tensor,
  labels: Tensor,
  smoothing: number,
  weights: Tensor | null,
  shares: Tensor | null,
): Tensor {
  const { ops } = torch
  const [rows = 1, classes = 1] = logProbability.shape
  const own = weights === null ? null : ops.indexSelect(weights, 0, labels)
  const count = (perRow: Tensor): Tensor => ops.sum(shares === null ? perRow : ops.mul(perRow, shares))
  const mean = (sum: Tensor): Tensor => ops.div(sum, own === null ? rows : ops.clamp(ops.sum(own), smallestWeight))
  const ofLabels = ofLabel(logProbability, labels)
  const onLabel = mean(count(own === null ? ofLabels : ops.mul(own, ofLabels)))
  if (smoothing === 0) return ops.neg(onLabel)
  const spread = weights === null ? logProbability : ops.mul(logProbability, weights)
  const overClasses = ops.div(mean(count(ops.sum(spread, [1]))), classes)
  return ops.neg(ops.add(ops.mul(onLabel, 1 - smoothing), ops.mul(overClasses, smoothing)))
}
