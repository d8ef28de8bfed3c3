/**
 * Quality-adaptive margin, Kim et al. 2022 (AdaFace), eq. 8–14. https://arxiv.org/abs/2204.00964
 *
 * The length of a feature tells how good its picture is. k = clip(h · (‖z‖ − μ) / (σ + ε), −1, 1) moves the target column to
 * s · (cos(θ − m·k) − (m + m·k)): a long feature has its margin in the cosine, one of middling length that of CosFace, a short one in the
 * angle and with the other sign. No gradient flows through the length.
 *
 * Where this differs from the authors' code: the first batch sets μ and σ (there they start at 20 and 100, which a weight of 0.01 takes some
 * 300 steps to forget), the weight of a new batch is 0.01 as the paper recommends (there the class has 1.0, no average at all), and
 * cos(θ − m·k) is computed from sin and cos without acos, whose gradient at ±1 is infinite.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import { smallestSineSquared } from './arcface.ts'
import { checkScores, widened } from './logits.ts'

/** Running mean and standard deviation of the features' lengths, each [] */
export interface NormStatistics {
  readonly mean: Tensor
  readonly std: Tensor
}

const shortest = 1e-3
const longest = 100
const standardDeviationOffset = 1e-3
/** θ − m·k is kept within [ε, π − ε]. */
const angleEpsilon = 1e-3

/** @param features [N, D] as they enter the cosine head @returns [N] lengths, clipped to [0.001, 100], without gradient */
export function featureNorms(features: Tensor): Tensor {
  if (features.shape.length !== 2)
    throw new ShapeError(`adaface: expected features [N, D], got [${features.shape.join(', ')}]`)
  const { ops } = torch
  return torch.noGrad(() => ops.clamp(ops.linalgVectorNorm(widened(features.detach()), 2, [1]), shortest, longest))
}

/**
 * Statistics after a batch; the standard deviation is that of a sample (÷ (N − 1)).
 *
 * @param norms    [N]
 * @param previous null before the first batch, which sets them
 * @param momentum weight of this batch
 * @returns null while only single features have been seen, which have no standard deviation
 */
export function updatedNormStatistics(
  norms: Tensor,
  previous: NormStatistics | null,
  momentum: number,
): NormStatistics | null {
  const { ops } = torch
  return torch.noGrad(() => {
    if ((norms.shape[0] ?? 0) < 2) return previous
    const mean = ops.mean(norms)
    const std = ops.sqrt(ops.div(ops.sum(ops.square(ops.sub(norms, mean))), (norms.shape[0] ?? 2) - 1))
    if (previous === null) return { mean, std }
    const blend = (from: Tensor, to: Tensor): Tensor => ops.add(ops.mul(from, 1 - momentum), ops.mul(to, momentum))
    return { mean: blend(previous.mean, mean), std: blend(previous.std, std) }
  })
}

/** @param h concentration; the paper uses 0.333 @returns [N] k in [−1, 1]; 0 without statistics */
export function imageQuality(norms: Tensor, statistics: NormStatistics | null, h: number): Tensor {
  const { ops } = torch
  if (statistics === null) return ops.zerosLike(norms)
  const spread = ops.add(statistics.std, standardDeviationOffset)
  return ops.clamp(ops.mul(ops.div(ops.sub(norms, statistics.mean), spread), h), -1, 1)
}

/**
 * @param cosines [N, C] cos θ of each class, from the cosine head
 * @param labels  [N] int64 in [0, C)
 * @param quality [N] k of each feature
 * @param options margin: the paper's m, 0.4
 * @returns [N, C] float32 (float64 for float64 cosines) scaled logits, with the margins on the target column
 * @throws {ShapeError} when the three disagree on N
 */
export function adafaceLogits(
  cosines: Tensor,
  labels: Tensor,
  quality: Tensor,
  options: { readonly margin: number; readonly scale: number },
): Tensor {
  checkScores('adaface', 'cosines', cosines, labels)
  if (quality.shape.join() !== labels.shape.join())
    throw new ShapeError(`adaface: expected a quality for each label, got [${quality.shape.join(', ')}]`)
  const { ops } = torch
  const { margin, scale } = options
  const cosine = widened(cosines)
  const column = ops.unsqueeze(labels, 1)
  const target = ops.gather(cosine, 1, column)
  const sine = ops.sqrt(ops.clamp(ops.add(ops.neg(ops.mul(target, target)), 1), smallestSineSquared))
  const back = ops.unsqueeze(ops.mul(quality.to(cosine.dtype), margin), 1) // m·k, [N, 1]
  const turned = ops.add(ops.mul(target, ops.cos(back)), ops.mul(sine, ops.sin(back)))
  // θ < m·k + ε and θ > π − ε + m·k, as cosines; an angle outside [0, π] is never reached
  const tooSmall = ops.gt(target, ops.cos(ops.clamp(ops.add(back, angleEpsilon), 0)))
  const tooLarge = ops.lt(target, ops.cos(ops.clampMax(ops.add(back, Math.PI - angleEpsilon), Math.PI)))
  const edge = ops.fullLike(target, Math.cos(angleEpsilon))
  const clipped = ops.where(tooSmall, edge, ops.where(tooLarge, ops.neg(edge), turned))
  const moved = ops.sub(clipped, ops.add(back, margin))
  return ops.mul(ops.scatter(cosine, 1, column, moved), scale)
}
