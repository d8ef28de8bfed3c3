/**
 * The teacher of a distillation: the averaged arcface phase of the run, a snapshot folder, weights with their own classifier, a pair of
 * files for backbone and head, several snapshots together, or the running average of the student. It always evaluates, and sees the pictures
 * that the student sees.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { readWeights, storedPreparation, withoutAdapters } from '../models/index.ts'
import { matchingSnapshots, readSnapshot, type Snapshot } from '../snapshot/index.ts'
import { forwardNetworks } from '../train/index.ts'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import { classScores } from './class-activation.ts'
import { checkCompiledTeacher } from './compile.ts'
import type { PhaseContext } from './context.ts'
import { expectNothingBeside, namesWeights, startingSnapshot } from './lineage.ts'
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
import { toTeachersView } from './teachers-view.ts'
import type { TaskParts } from './training-phase.ts'

export interface Teacher {
  /** in words, for the log */
  readonly source: string
  /** D, of several teachers together */
  readonly numFeatures: number
  /** @param images [N, 3, S, S] as the student sees them @returns logits [N, C] and pooled features [N, D], without gradient */
  look(images: Tensor): Promise<{ logits: Tensor; features: Tensor }>
  /**
   * Where each teacher sees the class of each picture, without gradient: [N, h, w] ≥ 0 of those whose last features are a map of places.
   *
   * @param labels [N] int64
   */
  activations(images: Tensor, labels: Tensor): Promise<Tensor[]>
  dispose(): void
}

interface Opened {
  readonly source: string
  readonly spec: NetworkSpec
  readonly pair: NetworkPair
}

type Student = Pick<TaskParts, 'spec' | 'emaPair' | 'precision'>

/** As `openNetworks`; says once where it sees no places, so that TokenMix's labels count by area. */
export async function openTeacher(options: DistillOptions, student: Student, context: PhaseContext): Promise<Teacher> {
  const teacher = await openNetworks(options, student, context)
  let isTold = false
  return {
    ...teacher,
    async activations(images, labels) {
      const maps = await teacher.activations(images, labels)
      if (maps.length === 0 && !isTold) {
        isTold = true
        context.logger.warn(
          `distill: the labels of tokenmix count by area, for ${teacher.source} does not tell where it sees a class: ` +
            'its tokens are merged or learned, or its last features are no map of places',
        )
      }
      return maps
    },
  }
}

/** @param student gives preprocessing and class names to a teacher of bare weights, and the network where teacher_backbone is null */
async function openNetworks(options: DistillOptions, student: Student, context: PhaseContext): Promise<Teacher> {
  if (options.teacher === 'student_ema') return studentsAverage(student)
  const opened: Opened[] = []
  try {
    if (options.teacherSnapshots === null) {
      const one = await singleTeacher(options, student.spec, context)
      if (one === null) return studentsAverage(student)
      opened.push(one)
    } else
      for (const path of await matchingSnapshots(options.teacherSnapshots))
        opened.push(await fromSnapshot(await readSnapshot(path), options, context))
    for (const { spec, source } of opened) {
      expectClasses(spec, student.spec, source)
      checkCompiledTeacher(options, context.device, spec.backbone)
    }
  } catch (error) {
    for (const { pair } of opened) pair.dispose()
    throw error
  }
  const source = opened.map((one) => one.source).join(', ')
  return {
    source: opened.length === 1 ? source : `${opened.length} snapshots together: ${source}`,
    numFeatures: opened.reduce((sum, { pair }) => sum + pair.numFeatures, 0),
    look: (images) =>
      torch.noGrad(async () => {
        const views = []
        for (const { pair, spec } of opened)
          views.push(await look(pair, toTeachersView(images, student.spec, spec), spec.logitScale, student.precision))
        return together(views)
      }),
    activations: (images, labels) =>
      torch.noGrad(async () => {
        const maps: Tensor[] = []
        for (const { pair, spec } of opened) {
          const map = await activation(
            pair,
            spec,
            toTeachersView(images, student.spec, spec),
            labels,
            student.precision,
          )
          if (map !== null) maps.push(map)
        }
        return maps
      }),
    dispose() {
      for (const { pair } of opened) pair.dispose()
    },
  }
}

async function look(
  pair: NetworkPair,
  images: Tensor,
  logitScale: number,
  precision: TaskParts['precision'],
): Promise<{ logits: Tensor; features: Tensor }> {
  const { features, outputs } = await forwardNetworks(pair, images, precision)
  return { logits: torch.ops.mul(outputs, logitScale), features }
}

/** Tokens that were merged or learned no longer stand for places. */
async function activation(
  pair: NetworkPair,
  { head, backbone }: NetworkSpec,
  images: Tensor,
  labels: Tensor,
  precision: TaskParts['precision'],
): Promise<Tensor | null> {
  if ((backbone.tokenMergingRatio ?? 0) > 0 || (backbone.tokenLearnerTokens ?? 0) > 0) return null
  const scores = await classScores(pair, head.kind, images, labels, precision)
  return scores === null ? null : torch.ops.clamp(scores, 0)
}

/** The logarithm of the mean probabilities, and all features side by side. */
function together(views: readonly { logits: Tensor; features: Tensor }[]): { logits: Tensor; features: Tensor } {
  const [first] = views
  if (first !== undefined && views.length === 1) return first
  const { ops } = torch
  const logProbabilities = ops.stack(views.map(({ logits }) => ops.logSoftmax(logits, 1)))
  return {
    logits: ops.add(ops.logsumexp(logProbabilities, [0]), -Math.log(views.length)),
    features: ops.cat(
      views.map(({ features }) => features),
      1,
    ),
  }
}

/** The loop keeps the average after each step; its holder is the phase. */
function studentsAverage({ spec, emaPair, precision }: Student): Teacher {
  if (emaPair === null)
    throw new ConfigError(
      'distill.ema_decay: expected a weight average, whose networks teach here, got 0. ' +
        'Set it (0.999 is usual), or give a teacher: run the arcface phase, or set distill.teacher_backbone_path.',
      { option: ['distill', 'emaDecay'] },
    )
  return {
    source: 'the running average of the student',
    numFeatures: emaPair.numFeatures,
    look: (images) =>
      torch.noGrad(() => {
        emaPair.backbone.train(false)
        emaPair.head.train(false)
        return look(emaPair, images, spec.logitScale, precision)
      }),
    activations: (images, labels) =>
      torch.noGrad(async () => {
        emaPair.backbone.train(false)
        emaPair.head.train(false)
        const map = await activation(emaPair, spec, images, labels, precision)
        return map === null ? [] : [map]
      }),
    dispose() {},
  }
}

function expectClasses(teacher: NetworkSpec, student: NetworkSpec, source: string): void {
  const [theirs, ours] = [teacher.classNames, student.classNames]
  if (theirs.length !== ours.length)
    throw new SnapshotError(
      `distill: expected a teacher of ${ours.length} classes, got one of ${theirs.length} from ${source}. ` +
        'Teacher and student must be trained on the same classes.',
    )
  if (teacher.head.kind === 'projection')
    throw new SnapshotError(
      `distill: expected a classifier as teacher, but ${source} has a projection head, which gives no class scores. ` +
        'Take a snapshot of the arcface, train or distill phase.',
    )
}

async function fromSnapshot(snapshot: Snapshot, options: DistillOptions, context: PhaseContext): Promise<Opened> {
  const averaged = snapshot.parts.includes('ema_backbone')
  if (options.useEmaTeacher === true && !averaged)
    context.logger.warn(
      `distill.use_ema_teacher: ${snapshot.path} holds no averaged weights (its phase had ema_decay: 0); its live ones teach`,
    )
  const networks = await loadNetworks(snapshot, options.useEmaTeacher ?? true, context)
  return { source: snapshot.path, ...networks }
}

/** Null: there is none, and the student's average shall teach. */
async function singleTeacher(
  options: DistillOptions,
  student: NetworkSpec,
  context: PhaseContext,
): Promise<Opened | null> {
  const { teacherBackbonePath, teacherHeadPath } = options
  if (teacherBackbonePath === null) {
    const snapshot = await startingSnapshot('distill', { path: null, option: '' }, context)
    if (snapshot !== null) return fromSnapshot(snapshot, options, context)
    if (options.useEmaTeacher === true && options.teacher === null) return null
    throw new SnapshotError(
      `distill: expected a teacher, but ${context.run.snapshots} has no snapshot of the arcface phase. ` +
        'Run that phase first, or give distill.teacher_backbone_path, or distill.teacher: student_ema.',
    )
  }
  if (!(await namesWeights(teacherBackbonePath))) {
    expectNothingBeside(teacherBackbonePath, options)
    return fromSnapshot(await readSnapshot(teacherBackbonePath), options, context)
  }
  if (options.useEmaTeacher === true)
    context.logger.info(`distill.use_ema_teacher: ${teacherBackbonePath} holds one set of weights, which teaches`)
  // The student's adapters are its own; those that a file holds are merged as it is read.
  const network = withoutAdapters(options.teacherBackbone ?? student.backbone)
  const backbone = { ...network, pretrained: teacherBackbonePath }
  const { mean, std } = (await storedPreparation(teacherBackbonePath)) ?? student
  const given = { ...student, mean, std, backbone }
  if (teacherHeadPath === null) return { source: teacherBackbonePath, ...(await openPublishedNetworks(given, context)) }
  return withSeparateHead(teacherBackbonePath, teacherHeadPath, given, options, context)
}

/** A backbone file, and beside it the file of a cosine or linear head. */
async function withSeparateHead(
  source: string,
  path: string,
  given: NetworkSpec,
  options: DistillOptions,
  context: PhaseContext,
): Promise<Opened> {
  const { tensors: state, metadata } = await readWeights(path)
  let pair: NetworkPair | null = null
  try {
    const described = describedHead(metadata['trivium'])
    // A cosine head has directions only; a linear one has a bias too.
    const linear = [...state.keys()].some((name) => name.endsWith('bias'))
    const head = linear
      ? ({ kind: 'linear' } as const)
      : ({ kind: 'cosine', subCenters: described.subCenters } as const)
    const classes = ([...state.values()][0]?.shape[0] ?? 0) / (linear ? 1 : described.subCenters)
    const classNames = classes === given.classNames.length ? given.classNames : Array.from({ length: classes }, String)
    const logitScale = described.logitScale ?? (linear ? 1 : options.scale)
    pair = await buildNetworks({ ...given, classNames, head, logitScale }, context)
    await pair.head.loadStateDict(state)
    freeze(pair.backbone)
    freeze(pair.head)
    return {
      source: `${source} with ${path}`,
      spec: { ...given, backbone: withoutPretrained(given.backbone), classNames, head, logitScale },
      pair,
    }
  } catch (error) {
    pair?.dispose()
    throw error
  } finally {
    for (const tensor of state.values()) tensor.dispose()
  }
}

/** Files out of our snapshots say what scale their cosines had, and how many directions a class. */
function describedHead(description: string | undefined): { logitScale: number | null; subCenters: number } {
  const unknown = { logitScale: null, subCenters: 1 }
  if (description === undefined) return unknown
  try {
    const { logitScale, head } = JSON.parse(description) as { logitScale?: unknown; head?: { subCenters?: unknown } }
    const subCenters = head?.subCenters
    return {
      logitScale: typeof logitScale === 'number' && logitScale > 0 ? logitScale : null,
      subCenters: typeof subCenters === 'number' && Number.isInteger(subCenters) && subCenters > 0 ? subCenters : 1,
    }
  } catch {
    return unknown
  }
}
