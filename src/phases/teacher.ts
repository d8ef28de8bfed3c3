/** The teacher of a distillation: the averaged arcface phase of the run, a snapshot folder, or a pair of weight files. */
import { stat } from 'node:fs/promises'
import { readSafetensors, torch, type Tensor } from '../binding/index.ts'
import { readSnapshot } from '../snapshot/index.ts'
import { forwardNetworks } from '../train/index.ts'
import { SnapshotError } from '../util/errors.ts'
import type { PhaseContext } from './context.ts'
import { refusePickle, startingSnapshot } from './lineage.ts'
import {
  buildNetworks,
  freeze,
  loadNetworks,
  withoutPretrained,
  type NetworkPair,
  type NetworkSpec,
} from './networks.ts'
import type { DistillOptions } from './options/distill.ts'

export interface Teacher {
  /** @param images [N, 3, S, S] @returns logits [N, C] without gradient */
  logits(images: Tensor): Promise<Tensor>
  dispose(): void
}

/** @param student gives classes and preprocessing to a teacher of bare weight files, whose backbone must be the student's */
export async function openTeacher(
  options: DistillOptions,
  student: NetworkSpec,
  context: PhaseContext,
): Promise<Teacher> {
  const { spec, pair } = await teacherNetworks(options, student, context)
  if (spec.classNames.length !== student.classNames.length) {
    pair.dispose()
    throw new SnapshotError(
      `distill: expected a teacher of ${student.classNames.length} classes, got one of ${spec.classNames.length}. ` +
        'Teacher and student must be trained on the same classes.',
    )
  }
  const precision = options.precision ?? context.defaults.precision
  return {
    logits: (images) =>
      torch.noGrad(async () => {
        const { outputs } = await forwardNetworks(pair, images, precision)
        return torch.ops.mul(outputs, spec.logitScale)
      }),
    dispose: () => pair.dispose(),
  }
}

async function teacherNetworks(
  options: DistillOptions,
  student: NetworkSpec,
  context: PhaseContext,
): Promise<{ spec: NetworkSpec; pair: NetworkPair }> {
  const { teacherBackbonePath, teacherHeadPath, useEmaTeacher } = options
  if (teacherBackbonePath === null) {
    const snapshot = await startingSnapshot('distill', { path: null, option: '' }, context)
    if (snapshot === null)
      throw new SnapshotError(
        `distill: expected a teacher, but ${context.run.snapshots} has no snapshot of the arcface phase. ` +
          'Run that phase first, or give distill.teacher_backbone_path.',
      )
    return loadNetworks(snapshot, useEmaTeacher, context)
  }
  refusePickle(teacherBackbonePath, 'distill.teacher_backbone_path')
  if (teacherHeadPath !== null) refusePickle(teacherHeadPath, 'distill.teacher_head_path')
  if (teacherHeadPath === null || (await stat(teacherBackbonePath).catch(() => null))?.isDirectory())
    return loadNetworks(await readSnapshot(teacherBackbonePath), useEmaTeacher, context)

  const { tensors, metadata } = await readSafetensors(teacherHeadPath)
  const state = tensors
  // A cosine head has directions only; a linear one has a bias too.
  const kind = [...state.keys()].some((name) => name.endsWith('bias')) ? 'linear' : 'cosine'
  const scale = logitScaleOf(metadata['trivium']) ?? (kind === 'cosine' ? options.scale : 1)
  const classes = [...state.values()][0]?.shape[0] ?? 0
  const classNames =
    classes === student.classNames.length ? student.classNames : Array.from({ length: classes }, String)
  const spec: NetworkSpec = {
    ...student,
    backbone: withoutPretrained(student.backbone),
    classNames,
    head: { kind },
    logitScale: scale,
  }
  const pair = await buildNetworks(spec, context)
  try {
    await torch.scope(async () => {
      await pair.backbone.loadStateDict((await readSafetensors(teacherBackbonePath)).tensors)
      await pair.head.loadStateDict(state)
    })
  } catch (error) {
    pair.dispose()
    throw error
  } finally {
    for (const tensor of state.values()) tensor.dispose()
  }
  freeze(pair.backbone)
  freeze(pair.head)
  return { spec, pair }
}

/** Files out of our snapshots say what scale their cosines had. */
function logitScaleOf(description: string | undefined): number | null {
  if (description === undefined) return null
  try {
    const { logitScale } = JSON.parse(description) as { logitScale?: unknown }
    return typeof logitScale === 'number' && logitScale > 0 ? logitScale : null
  } catch {
    return null
  }
}
