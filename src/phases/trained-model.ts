/**
 * The classifier that evaluate and export work on: an explicit snapshot or file of weights, or the last training phase of the run, or,
 * where nothing was trained, the published classifier of the configured backbone.
 */
import type { BackboneOptions } from '../models/index.ts'
import type { Snapshot } from '../snapshot/index.ts'
import { SnapshotError } from '../util/errors.ts'
import { predecessors, type PhaseContext } from './context.ts'
import { resizeToFor } from './image-geometry.ts'
import { namesWeights, startingSnapshot } from './lineage.ts'
import { loadNetworks, specOf, type NetworkPair, type NetworkSpec } from './networks.ts'
import { openPublishedNetworks } from './published.ts'

export interface TrainedModel {
  /** the snapshot folder, or what `pretrained` said: a file, hf:<repository>, the network's name */
  readonly source: string
  readonly spec: NetworkSpec
  readonly pair: NetworkPair
}

/** @throws {SnapshotError} when there is no snapshot and no published classifier, or its network gives no class scores */
export async function openTrainedModel(
  phase: 'evaluate' | 'export',
  options: { readonly model: string | null; readonly useEma: boolean },
  context: PhaseContext,
): Promise<TrainedModel> {
  const { backbone } = context.defaults
  if (options.model !== null && (await namesWeights(options.model)))
    return openPublished(phase, { ...backbone, pretrained: options.model }, context)
  const snapshot = await startingSnapshot(phase, { path: options.model, option: `${phase}.model` }, context)
  if (snapshot === null && backbone.pretrained !== false) {
    context.logger.info(`${phase}: this run has no trained classifier; taking the published one of the backbone`)
    return openPublished(phase, backbone, context)
  }
  if (snapshot === null)
    throw new SnapshotError(
      `${phase}: expected a trained classifier, but ${context.run.snapshots} has no snapshot of ${predecessors[phase].join(', ')}. ` +
        `Run one of these phases first, or give ${phase}.model, or backbone.pretrained with a classifier.`,
    )
  refuseProjection(phase, snapshot)
  return { source: snapshot.path, ...(await loadNetworks(snapshot, options.useEma, context)) }
}

function refuseProjection(phase: string, snapshot: Snapshot): void {
  if (specOf(snapshot).head.kind !== 'projection') return
  throw new SnapshotError(
    `${phase}: expected a classifier, but ${snapshot.path} has a projection head, which gives no class scores. ` +
      'Run the arcface phase on it, and take that phase’s snapshot.',
  )
}

async function openPublished(phase: string, backbone: BackboneOptions, context: PhaseContext): Promise<TrainedModel> {
  const { data, defaults } = context
  const { classNames } = data.test
  const opened = await openPublishedNetworks(
    {
      backbone,
      imageSize: defaults.imageSize,
      resizeTo: resizeToFor(data, defaults.imageSize),
      interpolation: data.interpolation,
      mean: data.mean,
      std: data.std,
      classNames,
    },
    context,
  )
  const source = backbone.pretrained === true ? backbone.name : String(backbone.pretrained)
  const classes = opened.spec.classNames.length
  if (classes === classNames.length) return { source, ...opened }
  opened.pair.dispose()
  throw new SnapshotError(
    `${phase}: expected a classifier of the data set's ${classNames.length} classes, but that of ${source} has ${classes}. ` +
      'Evaluate it on the data it was trained for, or train a head on it.',
  )
}
