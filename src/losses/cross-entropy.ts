/**
 * Cross-entropy with label smoothing, Szegedy et al. 2015, §7. https://arxiv.org/abs/1512.00567
 * With smoothing ε the target is 1 − ε + ε/C on the label and ε/C elsewhere (what torch calls label_smoothing).
 */
import { z } from 'zod'
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import type { OptionShape } from '../util/option-shape.ts'

export interface CrossEntropyOptions {
  readonly labelSmoothing: number
}

export const crossEntropyShape: OptionShape<CrossEntropyOptions> = {
  labelSmoothing: z.number().min(0).lt(1).default(0).describe('share of the target spread over all classes'),
}

export const crossEntropySchema: z.ZodType<CrossEntropyOptions> = z.strictObject(crossEntropyShape)

/**
 * @param logits [N, C]; computed in float32 at least, whatever arrives
 * @param labels [N] int64 in [0, C)
 * @returns scalar [], mean over the batch, in nats
 * @throws {ShapeError} when logits and labels disagree on N
 */
export function crossEntropyLoss(logits: Tensor, labels: Tensor, options: CrossEntropyOptions): Tensor {
  if (logits.shape.length !== 2 || labels.shape.length !== 1 || logits.shape[0] !== labels.shape[0])
    throw new ShapeError(
      `cross-entropy: expected logits [N, C] and labels [N], got [${logits.shape.join(', ')}] and [${labels.shape.join(', ')}]`,
    )
  const { ops } = torch
  const logProbability = ops.logSoftmax(logits.dtype === 'float64' ? logits : logits.to('float32'), 1)
  const onLabel = ops.mean(ops.gather(logProbability, 1, ops.unsqueeze(labels, 1)))
  if (options.labelSmoothing === 0) return ops.neg(onLabel)
  const overClasses = ops.mean(logProbability)
  return ops.neg(ops.add(ops.mul(onLabel, 1 - options.labelSmoothing), ops.mul(overClasses, options.labelSmoothing)))
}
