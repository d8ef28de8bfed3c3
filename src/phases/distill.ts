/** Phase distill: the student learns the teacher's soft scores (Hinton et al. 2015, arXiv 1503.02531) and the labels. */
import { torch } from '../binding/index.ts'
import { arcfaceLoss, cosineLogits, crossEntropyLoss, kdLoss, mixedLabelLoss } from '../losses/index.ts'
import { classificationTask } from './classification-task.ts'
import type { Phase } from './context.ts'
import { batchMixer } from './mixing.ts'
import { distillOptionsSchema, unavailableDistill, type DistillOptions } from './options/distill.ts'
import { openTeacher, type Teacher } from './teacher.ts'
import { runTrainingPhase } from './training-phase.ts'

export const distillPhase: Phase<DistillOptions> = {
  name: 'distill',
  summary: 'trains a student on the soft scores of the averaged arcface model and on the labels',
  optionsSchema: distillOptionsSchema,
  run(options, context) {
    let teacher: Teacher | null = null
    return runTrainingPhase(
      {
        name: 'distill',
        head: { kind: 'cosine' },
        logitScale: options.scale,
        views: 1,
        unavailable: unavailableDistill,
        async task(parts) {
          const opened = await openTeacher(options, parts.spec, context)
          teacher = opened
          return classificationTask('distill', parts, {
            scale: options.scale,
            mixer: batchMixer('distill', options, context.seed),
            async loss({ outputs, images, labels, hiddenPartners }) {
              const { ops } = torch
              const student = cosineLogits(outputs, options.scale)
              const scores = await opened.logits(images)
              // The teacher sees mixed pictures as they are. What was mixed inside the student it saw apart: its scores for both.
              const own = kdLoss(student, scores, options)
              const lambda = labels.mixed?.lambda ?? 1
              const soft =
                hiddenPartners === null
                  ? own
                  : ops.add(
                      ops.mul(own, lambda),
                      ops.mul(kdLoss(student, ops.indexSelect(scores, 0, hiddenPartners), options), 1 - lambda),
                    )
              const hard = mixedLabelLoss(labels, (target) =>
                options.hardLoss === 'arcface'
                  ? arcfaceLoss(outputs, target, options)
                  : crossEntropyLoss(student, target, options),
              )
              const loss = ops.add(ops.mul(soft, options.alpha), ops.mul(hard, 1 - options.alpha))
              return { loss, parts: { kd: soft.detach().item(), labels: hard.detach().item() } }
            },
          })
        },
        dispose: () => teacher?.dispose(),
      },
      options,
      context,
    )
  },
}
