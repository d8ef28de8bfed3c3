/** Published networks in a phase: with the classifier that their weights bring along. */
import { createPublishedClassifier } from '../models/index.ts'
import type { PhaseContext } from './context.ts'
import { withDownloads } from './download-progress.ts'
import { freeze, warnOfNormalisation, withoutPretrained, type NetworkPair, type NetworkSpec } from './networks.ts'

/**
 * The networks of `backbone.pretrained` with its own classifier, in evaluation mode and without gradients. Files do not name classes: as
 * many as the given names have them in their order; others get numbers.
 */
export async function openPublishedNetworks(
  given: Omit<NetworkSpec, 'head' | 'logitScale'>,
  context: Pick<PhaseContext, 'device' | 'seed' | 'logger' | 'signal' | 'progress'>,
): Promise<{ spec: NetworkSpec; pair: NetworkPair }> {
  const { backbone, imageSize, classNames } = given
  const { device, seed, logger, signal } = context
  const { model, head } = await withDownloads(context.progress, (progress) =>
    createPublishedClassifier({ backbone, imageSize, device, seed, logger, signal, progress }),
  )
  for (const module of [model.native, head.native]) freeze(module)
  await warnOfNormalisation(backbone, model.preprocessing, given, logger)
  const named = head.outFeatures === classNames.length
  return {
    spec: {
      ...given,
      backbone: withoutPretrained(backbone),
      classNames: named ? classNames : Array.from({ length: head.outFeatures }, (_, index) => String(index)),
      head: { kind: 'linear' },
      logitScale: 1,
    },
    pair: {
      backbone: model.native,
      head: head.native,
      numFeatures: model.numFeatures,
      dispose() {
        model.dispose()
        head.dispose()
      },
    },
  }
}
