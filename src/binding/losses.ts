/** Losses with a kernel of their own. */
import { context } from './context.ts'
import { native } from './native.ts'
import { Tensor } from './tensor.ts'

/** Embeddings of earlier batches [M, D], and their labels [M] int64; constants. */
export interface ContrastMemory {
  readonly embeddings: Tensor
  readonly labels: Tensor
}

/**
 * Supervised contrastive loss, tile by tile, so that memory grows with N and not with N².
 *
 * @param embeddings [N, D] float32 or float64
 * @param labels     [N] int64
 * @param tile       rows and columns of a tile; 0 chooses
 * @returns scalar []
 * @throws {ShapeError} when the shapes disagree, there is one embedding, or the type is another
 */
export function supconKernel(
  embeddings: Tensor,
  labels: Tensor,
  temperature: number,
  memory: ContrastMemory | null = null,
  tile: number = 0,
): Tensor {
  const past = memory?.embeddings.handle ?? null
  const pastLabels = memory?.labels.handle ?? null
  const { mode } = context()
  return new Tensor(native.supconLoss(embeddings.handle, labels.handle, temperature, past, pastLabels, tile, mode))
}
