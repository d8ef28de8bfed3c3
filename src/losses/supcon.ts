/**
 * Supervised contrastive loss, Khosla et al. 2020, eq. 2 (L_out). https://arxiv.org/abs/2004.11362
 *
 * The mean over positives stands outside the logarithm, an anchor is never its own positive nor in its own denominator, and
 * anchors without a positive are left out of the mean over anchors.
 */
import { z } from 'zod'
import { supconKernel, torch, type ContrastMemory, type Tensor } from '../binding/index.ts'
import type { OptionShape } from '../util/option-shape.ts'
import { widened } from './logits.ts'

export interface SupConLossOptions {
  readonly temperature: number
  readonly baseTemperature: number | null
}

export const supconLossShape: OptionShape<SupConLossOptions> = {
  temperature: z.number().positive().default(0.1).describe('the paper uses 0.1'),
  baseTemperature: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('multiplies the loss by temperature / base_temperature; null: by 1'),
}

/**
 * In memory that grows with N: the matrix of similarities is made tile by tile (native/kernels/supcon.cc).
 *
 * @param embeddings [N, D] floating, rows of unit length (N = views · B, the views of each image stacked view by view); computed in
 *                   float32 at least
 * @param labels     [N] int64, repeated once a view
 * @param memory     what the batch is contrasted with beside itself, without gradient: embeddings of earlier batches [M, D]
 * @returns scalar []; 0 (with a zero gradient) when no anchor has a positive
 * @throws {ShapeError} when embeddings and labels disagree on N, or there are fewer than two
 */
export function supconLoss(
  embeddings: Tensor,
  labels: Tensor,
  options: SupConLossOptions,
  memory: ContrastMemory | null = null,
): Tensor {
  const { temperature, baseTemperature } = options
  const loss = supconKernel(widened(embeddings), labels, temperature, memory)
  return baseTemperature === null ? loss : torch.ops.mul(loss, temperature / baseTemperature)
}
