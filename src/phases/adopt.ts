/** Weights that a training phase takes over from an earlier one: whether they fit, and how adapters go on. */
import { torch } from '../binding/index.ts'
import {
  adapterOptions,
  attachAdapters,
  hasAdapters,
  sameAdapters,
  withoutAdapters,
  type BackboneOptions,
} from '../models/index.ts'
import type { Snapshot } from '../snapshot/index.ts'
import { SnapshotError } from '../util/errors.ts'
import type { PhaseContext, PhaseName } from './context.ts'
import { isSameArchitecture, loadPart, specOf, withoutPretrained } from './networks.ts'
import type { NetworkPair, NetworkSpec } from './networks.ts'

/** Whether the weights can be taken over; a predecessor of another architecture is left aside with a warning. */
export function adoptable(
  name: PhaseName,
  snapshot: Snapshot,
  spec: NetworkSpec,
  explicit: boolean,
  context: PhaseContext,
): boolean {
  const theirs = specOf(snapshot).backbone
  if (isSameArchitecture(theirs, spec.backbone)) return true
  if (explicit)
    throw new SnapshotError(
      `${name}.init_from: expected weights of ${spec.backbone.name}, but ${snapshot.path} holds ${theirs.name} or other options of it. ` +
        'Give both the same backbone.',
    )
  context.logger.warn(
    `${name}: starts from fresh weights, because its backbone ${spec.backbone.name} differs from ${theirs.name} in ${snapshot.path}`,
  )
  return false
}

/** What the network is built as: with the adapters of the weights that it will be given. */
export function startingBackbone(spec: NetworkSpec, adopted: Snapshot | null): BackboneOptions {
  const own = withoutPretrained(spec.backbone)
  return adopted === null ? own : { ...withoutAdapters(own), ...adapterOptions(specOf(adopted).backbone) }
}

/** Adapters like the predecessor's go on; others begin on its weights with its adapters merged into them. */
async function changeAdapters(
  from: BackboneOptions,
  pair: NetworkPair,
  spec: NetworkSpec,
  context: PhaseContext,
): Promise<string> {
  if (sameAdapters(from, spec.backbone)) return ''
  await pair.backbone.mergeAdapters()
  await pair.backbone.unloadAdapters()
  await attachAdapters(pair.backbone, spec.backbone, context.seed)
  return hasAdapters(from) ? ', its adapters merged' : ''
}

export async function adopt(
  name: PhaseName,
  snapshot: Snapshot,
  pair: NetworkPair,
  spec: NetworkSpec,
  context: PhaseContext,
): Promise<void> {
  const theirs = specOf(snapshot)
  const sameHead = JSON.stringify(theirs.head) === JSON.stringify(spec.head)
  const sameClasses = theirs.classNames.join('\0') === spec.classNames.join('\0')
  const withHead = sameHead && (sameClasses || spec.head.kind === 'projection')
  await torch.scope(async () => {
    await pair.backbone.loadStateDict(await loadPart(snapshot, 'backbone', true))
    if (withHead) await pair.head.loadStateDict(await loadPart(snapshot, 'head', true))
  })
  const merged = await changeAdapters(theirs.backbone, pair, spec, context)
  context.logger.info(
    `${name}: starts from ${withHead ? 'backbone and head' : 'the backbone'} of ${snapshot.path}${merged}`,
  )
}
