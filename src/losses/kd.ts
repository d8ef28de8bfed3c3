/**
 * Knowledge distillation, Hinton et al. 2015, §2. https://arxiv.org/abs/1503.02531
 *
 * T² · KL(p_teacher ‖ p_student) at temperature T, summed over classes and averaged over the batch ("batchmean"). Without the
 * T² the gradient shrinks by T², and a mean over N·C divides it by the number of classes again.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import { widened } from './logits.ts'

export interface KdOptions {
  readonly temperature: number
}

/**
 * @param student [N, C] logits
 * @param teacher [N, C] logits of the same view; no gradient flows into them
 * @returns scalar [], ≥ 0
 * @throws {ShapeError} when the two differ in shape
 */
export function kdLoss(student: Tensor, teacher: Tensor, options: KdOptions): Tensor {
  checkPair('kd', student, teacher)
  const { ops } = torch
  const { temperature } = options
  const soft = (logits: Tensor): Tensor => ops.logSoftmax(ops.div(widened(logits), temperature), 1)
  const logTeacher = soft(teacher.detach())
  const logStudent = soft(student)
  const divergence = ops.sum(ops.mul(ops.exp(logTeacher), ops.sub(logTeacher, logStudent)))
  return ops.mul(divergence, (temperature * temperature) / (student.shape[0] ?? 1))
}

/** @throws {ShapeError} when student and teacher are not logits of one shape */
export function checkPair(loss: string, student: Tensor, teacher: Tensor): void {
  if (student.shape.length === 2 && student.shape.join() === teacher.shape.join()) return
  throw new ShapeError(
    `${loss}: expected student and teacher logits of one shape [N, C], got [${student.shape.join(', ')}] and [${teacher.shape.join(', ')}]. ` +
      'Teacher and student must have the same classes.',
  )
}
