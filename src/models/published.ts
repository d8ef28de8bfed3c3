/** Published networks with the classifier that they were published with. */
import type { Tensor } from '../binding/index.ts'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import { silentLogger } from '../util/logger.ts'
import { withoutAdapters } from './adapters.ts'
import { createBackbone } from './create.ts'
import type { BackboneRequest } from './create.ts'
import { createHead } from './head.ts'
import type { Head } from './head.ts'
import type { Model } from './model.ts'
import { loadPretrained, obtainWeights, tell, weightsSource } from './pretrained.ts'

/** A network with the classifier that its weights brought along: pooled features [N, D], and from them logits [N, C]. */
export interface PublishedClassifier {
  readonly model: Model
  /** linear */
  readonly head: Head
}

/**
 * The network and the classifier of `backbone.pretrained`, to be used as they are.
 *
 * @throws {SnapshotError} when the weights have no classifier; and what createBackbone throws
 */
export async function createPublishedClassifier(request: BackboneRequest): Promise<PublishedClassifier> {
  const { backbone, device, seed, logger = silentLogger, progress, signal } = request
  const source = weightsSource(backbone.name, backbone.pretrained)
  if (source === null)
    throw new ConfigError(`${backbone.name}: expected backbone.pretrained to name weights, got false.`)
  const path = await obtainWeights(source, { logger, progress, signal })
  // Adapters that nobody has trained yet would change nothing.
  const plain = { ...withoutAdapters(backbone), pretrained: false }
  const model = await createBackbone({ ...request, device: 'cpu', backbone: plain })
  let head: Head | null = null
  try {
    const loaded = await loadPretrained(model, path, async (parts) => {
      const numClasses = parts.get('weight')?.shape[0] ?? 0
      head = await createHead({ kind: 'linear', inFeatures: model.numFeatures, numClasses, seed })
      const named = Array.from(parts, ([name, tensor]): [string, Tensor] => [`fc.${name}`, tensor])
      await head.loadStateDict(new Map(named))
    })
    tell(loaded, logger)
    const made = head as Head | null
    if (made === null) {
      throw new SnapshotError(
        `${path}: expected a classifier, but the file has none: it gives features alone. Train a head on them first.`,
      )
    }
    if (device !== 'cpu') for (const module of [model.native, made.native]) await module.to(device)
    return { model, head: made }
  } catch (error) {
    model.dispose()
    ;(head as Head | null)?.dispose()
    throw error
  }
}
