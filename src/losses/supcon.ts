/**
 * Supervised contrastive loss, Khosla et al. 2020, eq. 2 (L_out). https://arxiv.org/abs/2004.11362
 *
 * The mean over positives stands outside the logarithm, an anchor is never its own positive nor in its own denominator, and
 * anchors without a positive are left out of the mean over anchors.
 */
import { z } from 'zod'
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import type { OptionShape } from '../util/option-shape.ts'

export interface SupConLossOptions {
  readonly temperature: number
  readonly baseTemperature: number | null
}

export const supconLossShape: OptionShape<SupConLossOptions> = {
  temperature: z.number().positive().default(0.1).describe('the paper uses 0.1'),
  baseTemperature: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('multiplies the loss by temperature / base_temperature; null: by 1'),
}

export const supconLossSchema: z.ZodType<SupConLossOptions> = z.strictObject(supconLossShape)

/**
 * @param embeddings [N, D] floating, rows of unit length (N = 2B, two views of each image, stacked view by view)
 * @param labels     [N] int64, repeated once a view
 * @returns scalar []; 0 (with a zero gradient) when no anchor has a positive
 * @throws {ShapeError} when embeddings and labels disagree on N
 */
export function supconLoss(embeddings: Tensor, labels: Tensor, options: SupConLossOptions): Tensor {
  const [count, features] = embeddings.shape
  if (embeddings.shape.length !== 2 || labels.shape.length !== 1 || labels.shape[0] !== count || features === 0)
    throw new ShapeError(
      `supcon: expected embeddings [N, D] and labels [N], got [${embeddings.shape.join(', ')}] and [${labels.shape.join(', ')}]. ` +
        'Repeat the labels once a view.',
    )
  if (count === undefined || count < 2)
    throw new ShapeError(`supcon: expected at least 2 embeddings, got ${count}. Raise batch_size.`)
  const { ops } = torch
  const device = { device: embeddings.device }
  const similarity = ops.div(ops.mm(embeddings, ops.t(embeddings)), options.temperature)
  // Subtract the row maximum before exp: at temperature 0.07 unit vectors reach exp(14.3), float16 overflows at exp(11).
  const shifted = ops.sub(similarity, ops.amax(similarity, [1], true).detach())
  const self = ops.eye(count, { dtype: 'bool', ...device })
  const others = ops.logsumexp(ops.maskedFill(shifted, self, -Infinity), [1], true)
  const logProbability = ops.sub(shifted, others)
  const sameClass = ops.eq(ops.unsqueeze(labels, 0), ops.unsqueeze(labels, 1))
  const positives = ops.maskedFill(sameClass, self, 0).to(embeddings.dtype)
  const positiveCount = ops.sum(positives, [1])
  const perAnchor = ops.div(ops.sum(ops.mul(positives, logProbability), [1]), ops.clamp(positiveCount, 1))
  const anchors = ops.clamp(ops.sum(ops.gt(positiveCount, 0).to(embeddings.dtype)), 1)
  const scale = options.baseTemperature === null ? 1 : options.temperature / options.baseTemperature
  return ops.mul(ops.div(ops.sum(perAnchor), anchors), -scale)
}
