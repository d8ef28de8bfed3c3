/**
 * Jensen–Shannon consistency of predictions for versions of a picture, Hendrycks et al. 2019 (AugMix), §3.
 * https://arxiv.org/abs/1912.02781: the mean over the versions of KL(p_v ‖ mean of all p).
 *
 * The authors' code clamps the mean to 1e-7 before its logarithm; here logarithms are added, which nothing can overflow.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'

/**
 * @param logits [views · N, C], stacked view by view; computed in float32 at least
 * @param views  versions of each sample, ≥ 2
 * @returns scalar [], mean over the samples, in nats: 0 where all versions agree, log(views) at most
 * @throws {ShapeError} when the rows are not `views` for each sample
 */
export function jensenShannonLoss(logits: Tensor, views: number): Tensor {
  const [rows = 0, classes = 0] = logits.shape
  if (logits.shape.length !== 2 || views < 2 || rows === 0 || rows % views !== 0)
    throw new ShapeError(
      `jensen-shannon: expected logits [views · N, C] with at least 2 views, got [${logits.shape.join(', ')}] and ${views} views`,
    )
  const { ops } = torch
  const logProbability = ops.reshape(ops.logSoftmax(logits.dtype === 'float64' ? logits : logits.to('float32'), 1), [
    views,
    rows / views,
    classes,
  ])
  const mixture = ops.sub(ops.logsumexp(logProbability, [0], true), Math.log(views))
  const divergence = ops.mul(ops.exp(logProbability), ops.sub(logProbability, mixture))
  return ops.div(ops.sum(divergence), rows)
}
