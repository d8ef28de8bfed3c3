/**
 * Distillation of features: hints (Romero et al. 2014, FitNets, eq. 3, https://arxiv.org/abs/1412.6550), the mean squared difference to the
 * teacher's features, and of embeddings, the cosine distance to them, which leaves their length free. Where the widths differ the
 * student's features pass a linear projection that is trained beside it and is no part of it.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'
import { widened } from './logits.ts'

function checkFeatures(loss: string, student: Tensor, teacher: Tensor): void {
  if (student.shape.length === 2 && student.shape.join() === teacher.shape.join()) return
  throw new ShapeError(
    `${loss}: expected features of student and teacher of one shape [N, D], got [${student.shape.join(', ')}] and [${teacher.shape.join(', ')}]. ` +
      'Project the student’s to the width of the teacher’s first.',
  )
}

/** @param student [N, D] @param teacher [N, D], no gradient flows into them @returns scalar [], mean over N and D */
export function hintLoss(student: Tensor, teacher: Tensor): Tensor {
  checkFeatures('hint', student, teacher)
  return torch.ops.mseLoss(widened(student), widened(teacher.detach()))
}

/** A row shorter than this has no direction, and a distance of 1. */
const shortest = 1e-8

/** 1 − cos of the angle between the rows. @param student [N, D] @param teacher [N, D] @returns scalar [] in [0, 2], mean over N */
export function embeddingLoss(student: Tensor, teacher: Tensor): Tensor {
  checkFeatures('embedding distillation', student, teacher)
  const { ops } = torch
  const cosine = ops.cosineSimilarity(widened(student), widened(teacher.detach()), 1, shortest)
  return ops.add(ops.neg(ops.mean(cosine)), 1)
}
