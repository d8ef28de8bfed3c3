/** A batch in pieces that go through the network one after the other; their gradients add up to that of the batch. */
import { torch, type Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'

/**
 * Views of the batch's tensors, or copies where its views of the images are stacked; they live as long as the current scope.
 *
 * @param size images in a piece, at most
 */
export function piecesOf(batch: Batch, size: number): Batch[] {
  if (size >= batch.size) return [batch]
  const pieces: Batch[] = []
  for (let from = 0; from < batch.size; from += size) {
    const count = Math.min(size, batch.size - from)
    const of = (stacked: Tensor): Tensor => {
      const views = (stacked.shape[0] ?? 0) / batch.size
      const each = Array.from({ length: views }, (_, view) =>
        torch.ops.narrow(stacked, 0, view * batch.size + from, count),
      )
      return each.length === 1 ? (each[0] as Tensor) : torch.ops.cat(each)
    }
    pieces.push({
      ...batch,
      images: of(batch.images),
      ...(batch.localImages === undefined ? {} : { localImages: of(batch.localImages) }),
      labels: of(batch.labels),
      labelValues: batch.labelValues.subarray(from, from + count),
      ids: batch.ids.subarray(from, from + count),
      indices: batch.indices.subarray(from, from + count),
      size: count,
      dispose: () => undefined, // the batch's own frees what they look at
    })
  }
  return pieces
}
