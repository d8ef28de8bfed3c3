/**
 * Additive angular margin, Deng et al. 2019 (ArcFace), eq. 3. https://arxiv.org/abs/1801.07698
 *
 * Only the target column is changed: cos(θ + m) while θ + m < π, else cos θ − m · sin(π − m), the fallback of the authors'
 * code, which keeps a useful gradient (and is discontinuous at θ = π − m: −1 against −1 − m · sin m + (1 − cos m)).
 * cos(θ + m) is computed as cos θ · cos m − sin θ · sin m, without acos, whose gradient at ±1 is infinite.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { crossEntropyLoss } from './cross-entropy.ts'
import { checkScores, widened } from './logits.ts'

export interface ArcFaceLossOptions {
  /** radians; the paper uses 0.5 */
  readonly margin: number
  readonly scale: number
  readonly labelSmoothing: number
}

/** sin θ is kept from reaching 0, where the gradient of sqrt is infinite; sin² of 0.06° is lost in float32 anyway. */
export const smallestSineSquared = 1e-6

/**
 * @param target [N, 1] cos θ of the target class
 * @returns withMargin: cos(θ + m); moved: the same, and the fallback where θ + m > π
 */
export function arcfaceTarget(target: Tensor, margin: number): { withMargin: Tensor; moved: Tensor } {
  const { ops } = torch
  const sine = ops.sqrt(ops.clamp(ops.add(ops.neg(ops.mul(target, target)), 1), smallestSineSquared))
  const withMargin = ops.sub(ops.mul(target, Math.cos(margin)), ops.mul(sine, Math.sin(margin)))
  const fallback = ops.sub(target, margin * Math.sin(Math.PI - margin))
  const insideRange = ops.gt(target, Math.cos(Math.PI - margin))
  return { withMargin, moved: ops.where(insideRange, withMargin, fallback) }
}

/**
 * @param cosines [N, C] cos θ of each class, from the cosine head
 * @param labels  [N] int64 in [0, C)
 * @returns [N, C] float32 (float64 for float64 cosines) scaled logits, with the margin on the target column
 * @throws {ShapeError} when cosines and labels disagree on N
 */
export function arcfaceLogits(
  cosines: Tensor,
  labels: Tensor,
  options: Pick<ArcFaceLossOptions, 'margin' | 'scale'>,
): Tensor {
  checkScores('arcface', 'cosines', cosines, labels)
  const { ops } = torch
  // The margin is decided in float32: bfloat16 has 8 bits, one part in 256 of a cosine.
  const cosine = widened(cosines)
  const column = ops.unsqueeze(labels, 1)
  const { moved } = arcfaceTarget(ops.gather(cosine, 1, column), options.margin)
  return ops.mul(ops.scatter(cosine, 1, column, moved), options.scale)
}

/** What a cosine head scores at evaluation: scale · cos θ, no margin. @param cosines [N, C] @returns [N, C] */
export function cosineLogits(cosines: Tensor, scale: number): Tensor {
  return torch.ops.mul(widened(cosines), scale)
}

/** Mean cross-entropy of the logits with margin. @param cosines [N, C] @param labels [N] int64 @returns scalar [] */
export function arcfaceLoss(cosines: Tensor, labels: Tensor, options: ArcFaceLossOptions): Tensor {
  return crossEntropyLoss(arcfaceLogits(cosines, labels, options), labels, options)
}
