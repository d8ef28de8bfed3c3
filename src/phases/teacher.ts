/**
 * The teacher of a distillation: the averaged arcface phase of the run, a snapshot folder, weights with their own classifier, or a pair
 * of files for backbone and head.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { readWeights, withoutAdapters } from '../models/index.ts'
import { readSnapshot } from '../snapshot/index.ts'
import { forwardNetworks } from '../train/index.ts'
import { SnapshotError } from '../util/errors.ts'
import type { PhaseContext } from './context.ts'
import { namesWeights, startingSnapshot } from './lineage.ts'
import {
  buildNetworks,
  freeze,
  loadNetworks,
  withoutPretrained,
  type NetworkPair,
  type NetworkSpec,
} from './networks.ts'
import type { DistillOptions } from './options/distill.ts'
import { openPublishedNetworks } from './published.ts'

export interface Teacher {
  /** @param images [N, 3, S, S] @returns logits [N, C] without gradient */
  logits(images: Tensor): Promise<Tensor>
  dispose(): void
}

/** @param student gives preprocessing and class names to a teacher of bare weights, and the network where teacher_backbone is null */
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
  if (!(await namesWeights(teacherBackbonePath)))
    return loadNetworks(await readSnapshot(teacherBackbonePath), useEmaTeacher, context)
  // The student's adapters are its own; those that a file holds are merged as it is read.
  const network = withoutAdapters(options.teacherBackbone ?? student.backbone)
  const backbone = { ...network, pretrained: teacherBackbonePath }
  if (teacherHeadPath === null) return openPublishedNetworks({ ...student, backbone }, context)
  return withSeparateHead(teacherHeadPath, { ...student, backbone }, options, context)
}

/** A backbone file, and beside it the file of a cosine or linear head. */
async function withSeparateHead(
  path: string,
  given: NetworkSpec,
  options: DistillOptions,
  context: PhaseContext,
): Promise<{ spec: NetworkSpec; pair: NetworkPair }> {
  const { tensors: state, metadata } = await readWeights(path)
  let pair: NetworkPair | null = null
  try {
    // A cosine head has directions only; a linear one has a bias too.
    const kind = [...state.keys()].some((name) => name.endsWith('bias')) ? 'linear' : 'cosine'
    const classes = [...state.values()][0]?.shape[0] ?? 0
    const classNames = classes === given.classNames.length ? given.classNames : Array.from({ length: classes }, String)
    const logitScale = logitScaleOf(metadata['trivium']) ?? (kind === 'cosine' ? options.scale : 1)
    pair = await buildNetworks({ ...given, classNames, head: { kind }, logitScale }, context)
    await pair.head.loadStateDict(state)
    freeze(pair.backbone)
    freeze(pair.head)
    const spec = {
      ...given,
      backbone: withoutPretrained(given.backbone),
      classNames,
      head: { kind },
      logitScale,
    } as const
    return { spec, pair }
  } catch (error) {
    pair?.dispose()
    throw error
  } finally {
    for (const tensor of state.values()) tensor.dispose()
  }
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
