/**
 * Large-margin cosine loss, Wang et al. 2018 (CosFace), eq. 4. https://arxiv.org/abs/1801.09414
 *
 * The margin is taken from the target's cosine itself: cos θ − m. Its gradient is that of the cosine everywhere.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { checkScores, widened } from './logits.ts'

/**
 * @param cosines [N, C] cos θ of each class, from the cosine head
 * @param labels  [N] int64 in [0, C)
 * @param options margin in units of the cosine; the paper uses 0.35
 * @returns [N, C] float32 (float64 for float64 cosines) scaled logits, with the margin on the target column
 * @throws {ShapeError} when cosines and labels disagree on N
 */
export function cosfaceLogits(
  cosines: Tensor,
  labels: Tensor,
  options: { readonly margin: number; readonly scale: number },
): Tensor {
  checkScores('cosface', 'cosines', cosines, labels)
  const { ops } = torch
  const cosine = widened(cosines)
  const column = ops.unsqueeze(labels, 1)
  const moved = ops.sub(ops.gather(cosine, 1, column), options.margin)
  return ops.mul(ops.scatter(cosine, 1, column, moved), options.scale)
}
