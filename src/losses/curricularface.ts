/**
 * Adaptive curriculum, Huang et al. 2020 (CurricularFace), eq. 5–7. https://arxiv.org/abs/2004.00288
 *
 * The target column is ArcFace's. A class j with cos θ_j > cos(θ_y + m) is hard, and its column becomes cos θ_j · (t + cos θ_j), where t is
 * the running mean of the targets' plain cosines: small when training begins, so that hard classes count less than they are, and
 * large later. t moves before it is used, and has no gradient.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { arcfaceTarget } from './arcface.ts'
import { checkScores, ofLabel, widened } from './logits.ts'

/**
 * @param cosines [N, C] @param labels [N]
 * @param shares  [N] what each row counts (mixed labels); null: 1
 * @returns [] mean cosine of the targets without margin and without gradient
 */
export function meanTargetCosine(cosines: Tensor, labels: Tensor, shares: Tensor | null = null): Tensor {
  const { ops } = torch
  return torch.noGrad(() => {
    const targets = ofLabel(widened(cosines.detach()), labels)
    return ops.mean(shares === null ? targets : ops.mul(targets, shares.to(targets.dtype)))
  })
}

/** t after a batch: momentum · mean cosine + (1 − momentum) · t. @param momentum weight of this batch; the paper's is 0.01 */
export function updatedCurriculum(mean: Tensor, t: Tensor, momentum: number): Tensor {
  const { ops } = torch
  return torch.noGrad(() => ops.add(ops.mul(mean, momentum), ops.mul(t, 1 - momentum)))
}

/**
 * @param cosines [N, C] cos θ of each class, from the cosine head
 * @param labels  [N] int64 in [0, C)
 * @param t       [] how far the curriculum is, after this batch's update
 * @param options margin in radians; the paper uses 0.5
 * @returns [N, C] float32 (float64 for float64 cosines) scaled logits
 * @throws {ShapeError} when cosines and labels disagree on N
 */
export function curricularfaceLogits(
  cosines: Tensor,
  labels: Tensor,
  t: Tensor,
  options: { readonly margin: number; readonly scale: number },
): Tensor {
  checkScores('curricularface', 'cosines', cosines, labels)
  const { ops } = torch
  const cosine = widened(cosines)
  const column = ops.unsqueeze(labels, 1)
  const { withMargin, moved } = arcfaceTarget(ops.gather(cosine, 1, column), options.margin)
  // compared with cos(θ_y + m), neither the plain cosine nor the fallback
  const hard = ops.gt(cosine, withMargin)
  const harder = ops.mul(cosine, ops.add(cosine, t.detach()))
  // the target is written last: its own plain cosine is above cos(θ_y + m), and would count as hard
  return ops.mul(ops.scatter(ops.where(hard, harder, cosine), 1, column, moved), options.scale)
}
