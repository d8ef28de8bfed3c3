/** How training phases measure themselves on the validation part. */
import { torch, type Tensor } from '../binding/index.ts'
import type { Loader } from '../data/index.ts'
import { crossEntropyLoss, supconLoss, type SupConLossOptions } from '../losses/index.ts'
import { forwardAsFits, type Networks, type Validation } from '../train/index.ts'
import type { Precision } from './context.ts'

/** How many rows have their largest logit on the label. @param logits [N, C] @param labels [N] @returns int64 [] */
export function correctRows(logits: Tensor, labels: Tensor): Tensor {
  const { ops } = torch
  return ops.sum(ops.eq(ops.argmax(logits, 1), labels))
}

/** Cross-entropy and top-1 accuracy. @param scale what the head's outputs are multiplied by to be logits */
export function classifierValidation(
  loader: Loader,
  options: { readonly scale: number; readonly precision: Precision },
): (networks: Networks, signal: AbortSignal) => Promise<Validation> {
  return async (networks, signal) => {
    let samples = 0
    let correct = 0
    let loss = 0
    for await (const batch of loader.epoch(0)) {
      try {
        signal.throwIfAborted()
        await torch.scope(async () => {
          const { outputs } = await forwardAsFits(networks, batch.images, options.precision)
          const logits = torch.ops.mul(outputs, options.scale)
          loss += crossEntropyLoss(logits, batch.labels, { labelSmoothing: 0 }).item() * batch.size
          correct += correctRows(logits, batch.labels).item()
          samples += batch.size
        })
      } finally {
        batch.dispose()
      }
    }
    return { loss: loss / samples, accuracy: correct / samples }
  }
}

/** Rows of the similarity matrix that are compared at a time; bounds the memory for large validation parts. */
const rowsAtATime = 1024

/**
 * For a network without classes: the SupCon loss of the embeddings batch by batch, and the share of images whose nearest other
 * image, by the cosine of the backbone's features, has the same class (leave-one-out 1-nearest-neighbour accuracy).
 */
export function embeddingValidation(
  loader: Loader,
  options: SupConLossOptions & { readonly precision: Precision },
): (networks: Networks, signal: AbortSignal) => Promise<Validation> {
  return async (networks, signal) => {
    const { ops } = torch
    const allFeatures: Tensor[] = []
    const allLabels: Tensor[] = []
    let loss = 0
    let samples = 0
    for await (const batch of loader.epoch(0)) {
      try {
        signal.throwIfAborted()
        allFeatures.push(
          await torch.scope(async () => {
            const { features, outputs } = await forwardAsFits(networks, batch.images, options.precision)
            if (batch.size > 1) loss += supconLoss(outputs, batch.labels, options).item() * batch.size
            return ops.div(features, ops.clamp(ops.linalgVectorNorm(features, 2, [1], true), 1e-12))
          }),
        )
        allLabels.push(ops.mul(batch.labels, 1))
        samples += batch.size
      } finally {
        batch.dispose()
      }
    }
    const features = ops.cat(allFeatures)
    const labels = ops.cat(allLabels)
    let correct = 0
    for (let start = 0; start < samples; start += rowsAtATime) {
      signal.throwIfAborted()
      torch.scope(() => {
        const end = Math.min(samples, start + rowsAtATime)
        const rows = ops.slice(features, 0, start, end)
        const similarity = ops.matmul(rows, ops.t(features))
        const own = ops.unsqueeze(ops.arange(start, end, { device: features.device, dtype: 'int64' }), 1)
        const nearest = ops.argmax(ops.scatter(similarity, 1, own, ops.fullLike(ops.slice(similarity, 1, 0, 1), -2)), 1)
        correct += ops.sum(ops.eq(ops.indexSelect(labels, 0, nearest), ops.slice(labels, 0, start, end))).item()
      })
    }
    return { loss: loss / samples, accuracy: correct / samples }
  }
}
