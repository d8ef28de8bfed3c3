/**
 * Decoupled knowledge distillation, Zhao et al. 2022, eq. 7. https://arxiv.org/abs/2203.08679
 *
 * KL(teacher ‖ student) at temperature T falls into TCKD, how sure both are of the target against all others, and NCKD, how they
 * distribute the rest: KD = TCKD + (1 − p_target of the teacher) · NCKD. A sure teacher silences NCKD there; here each has a weight of its
 * own: T² · (α · TCKD + β · NCKD), mean over the batch.
 *
 * Computed from log-probabilities: log(1 − p_y) is the logsumexp of the other classes, and the target leaves NCKD as −∞ after the
 * division by T (a −1000 before it leaves e^(−1000/T), and probabilities of 0 give log 0).
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import { checkPair } from './kd.ts'
import { checkScores, ofLabel, widened } from './logits.ts'

export interface DkdOptions {
  readonly temperature: number
  readonly alpha: number
  readonly beta: number
}

interface Split {
  /** [N] log-probability of the target, and of all others together */
  readonly target: Tensor
  readonly others: Tensor
  /** [N, C] log-probabilities among the others; 0 in the target's column */
  readonly among: Tensor
}

/**
 * @param student [N, C] logits, C ≥ 2
 * @param teacher [N, C] logits of the same view; no gradient flows into them
 * @param labels  [N] int64, the target class of each row
 * @returns scalar [], ≥ 0
 * @throws {ShapeError} when the two differ in shape, there is one class, or labels are not [N]
 */
export function dkdLoss(student: Tensor, teacher: Tensor, labels: Tensor, options: DkdOptions): Tensor {
  checkPair('dkd', student, teacher)
  checkScores('dkd', 'logits', student, labels)
  if ((student.shape[1] ?? 0) < 2)
    throw new ShapeError(`dkd: expected at least 2 classes, got ${student.shape[1]}. There is nothing to distribute.`)
  const { ops } = torch
  const { temperature, alpha, beta } = options
  const index = ops.unsqueeze(labels, 1)
  const targets = ops
    .scatter(ops.zerosLike(student.detach()), 1, index, ops.onesLike(index).to(student.dtype))
    .to('bool')
  const split = (logits: Tensor): Split => {
    const scaled = ops.div(widened(logits), temperature)
    const rest = ops.maskedFill(scaled, targets, -Infinity)
    const normalised = ops.logsumexp(scaled, [1])
    return {
      target: ops.sub(ofLabel(scaled, labels), normalised),
      others: ops.sub(ops.logsumexp(rest, [1]), normalised),
      among: ops.maskedFill(ops.sub(scaled, ops.logsumexp(rest, [1], true)), targets, 0),
    }
  }
  const of = split(teacher.detach())
  const by = split(student)
  const part = (p: Tensor, q: Tensor): Tensor => ops.sum(ops.mul(ops.exp(p), ops.sub(p, q)))
  const targetPart = ops.add(part(of.target, by.target), part(of.others, by.others))
  const otherPart = part(of.among, by.among)
  const loss = ops.add(ops.mul(targetPart, alpha), ops.mul(otherPart, beta))
  return ops.mul(loss, (temperature * temperature) / (student.shape[0] ?? 1))
}
