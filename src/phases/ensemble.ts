/** Several trained classifiers, or several views of a picture, as one: the mean of their probabilities. */
import { dirname, join } from 'node:path'
import { torch, type Tensor } from '../binding/index.ts'
import { matchingSnapshots } from '../snapshot/index.ts'
import { forwardNetworks } from '../train/index.ts'
import { SnapshotError } from '../util/errors.ts'
import type { PhaseContext } from './context.ts'
import { startingSnapshot } from './lineage.ts'
import type { EvaluatePhaseOptions } from './options/evaluate.ts'
import { toTeachersView } from './teachers-view.ts'
import { openTrainedModel, type TrainedModel } from './trained-model.ts'

/** @throws {SnapshotError} when there is no snapshot, or one has other classes than the first */
export async function openClassifiers(
  options: Pick<EvaluatePhaseOptions, 'model' | 'ensemble' | 'useEma'>,
  context: PhaseContext,
): Promise<[TrainedModel, ...TrainedModel[]]> {
  const { ensemble, useEma } = options
  if (ensemble === null) return [await openTrainedModel('evaluate', options, context)]
  const paths = await matchingSnapshots(ensemble === 'cycles' ? [await cyclesOf(context)] : ensemble)
  const opened: TrainedModel[] = []
  try {
    for (const model of paths) opened.push(await openTrainedModel('evaluate', { model, useEma }, context))
    const [first, ...others] = opened as [TrainedModel, ...TrainedModel[]]
    for (const { source, spec } of others)
      if (spec.classNames.join('\0') !== first.spec.classNames.join('\0'))
        throw new SnapshotError(
          `evaluate.ensemble: expected classifiers of the same classes, but those of ${source} differ from those of ${first.source}.`,
        )
    return [first, ...others]
  } catch (error) {
    for (const { pair } of opened) pair.dispose()
    throw error
  }
}

/** Beside the snapshots of the last training phase. */
async function cyclesOf(context: PhaseContext): Promise<string> {
  const snapshot = await startingSnapshot('evaluate', { path: null, option: '' }, context)
  return join(snapshot === null ? context.run.snapshots : dirname(snapshot.path), 'cycle-*')
}

/** What networks say of N pictures. */
export interface Classified {
  /** [N, C] of the one network for single views; else what has the mean probabilities and the mean energy of all */
  readonly logits: Tensor
  /** of the first view by the first network: backbone features [N, D] and their logits [N, C] */
  readonly first: { readonly features: Tensor; readonly logits: Tensor }
}

/**
 * @param images [V · N, 3, S, S] as the first one sees them, V views of each picture one after the other
 */
export async function classify(
  models: readonly [TrainedModel, ...TrainedModel[]],
  images: Tensor,
  views: number = 1,
): Promise<Classified> {
  const { ops } = torch
  const size = (images.shape[0] ?? 0) / views
  const passes: { readonly features: Tensor; readonly logits: Tensor }[] = []
  for (const { pair, spec } of models) {
    const { features, outputs } = await forwardNetworks(pair, toTeachersView(images, models[0].spec, spec), 'float32')
    passes.push({ features, logits: ops.mul(outputs, spec.logitScale) })
  }
  const [own] = passes as [Classified['first']]
  const first = { features: ops.narrow(own.features, 0, 0, size), logits: ops.narrow(own.logits, 0, 0, size) }
  if (passes.length === 1 && views === 1) return { logits: own.logits, first }
  const all = ops.stack(passes.map(({ logits }) => logits))
  return { logits: together(ops.reshape(all, [passes.length * views, size, all.shape[2] ?? 1])), first }
}

/** @param all [M, N, C] logits @returns [N, C], whose softmax is the mean of the M and whose log-sum-exp is the mean of theirs */
function together(all: Tensor): Tensor {
  const { ops } = torch
  const meanLog = ops.add(ops.logsumexp(ops.logSoftmax(all, 2), [0]), -Math.log(all.shape[0] ?? 1))
  return ops.add(meanLog, ops.mean(ops.logsumexp(all, [2], true), [0]))
}
