/** What every loss over class scores checks and widens. */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'

/** float64 stays (gradients are checked in it); everything else becomes float32: a margin or a temperature magnifies rounding. */
export function widened(scores: Tensor): Tensor {
  return scores.dtype === 'float64' ? scores : scores.to('float32')
}

/** @throws {ShapeError} when scores [N, C] and labels [N] disagree on N */
export function checkScores(loss: string, what: 'logits' | 'cosines', scores: Tensor, labels: Tensor): void {
  if (scores.shape.length === 2 && labels.shape.length === 1 && scores.shape[0] === labels.shape[0]) return
  throw new ShapeError(
    `${loss}: expected ${what} [N, C] and labels [N], got [${scores.shape.join(', ')}] and [${labels.shape.join(', ')}]`,
  )
}

/** The score of each row's label. @param scores [N, C] @param labels [N] @returns [N] */
export function ofLabel(scores: Tensor, labels: Tensor): Tensor {
  const { ops } = torch
  return ops.squeeze(ops.gather(scores, 1, ops.unsqueeze(labels, 1)), 1)
}
