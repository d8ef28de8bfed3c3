/** Position embeddings that were learned at another image size. */
import { torch } from '../binding/index.ts'
import type { Tensor } from '../binding/index.ts'

export interface ResampledPositions {
  /** [1, prefix + side², D], as the network has it; the caller's to dispose */
  readonly positions: Tensor
  /** what was done, for the log */
  readonly note: string
}

/**
 * `pos_embed` of a file, fitted to the grid of patches of a network made for another image size: bicubic with antialiasing over the
 * square grid, the rows of class token and registers untouched. As timm's `resample_abs_pos_embed` does when it loads a checkpoint.
 *
 * @param given the file's tensors
 * @param own the network's
 * @param imageSize the network's, in pixels
 * @returns null when there is nothing to do, or nothing that resampling could mend
 */
export function resamplePositions(
  given: ReadonlyMap<string, Tensor>,
  own: ReadonlyMap<string, Tensor>,
  imageSize: number,
): ResampledPositions | null {
  const from = given.get('pos_embed')
  const to = own.get('pos_embed')
  const patchSize = own.get('patch_embed.proj.weight')?.shape[2]
  if (from === undefined || to === undefined || patchSize === undefined) return null
  const [, wanted = 0, width = 0] = to.shape
  const [, learned = 0, learnedWidth = 0] = from.shape
  if (learned === wanted || learnedWidth !== width || from.shape.length !== 3) return null
  const side = Math.floor(imageSize / patchSize)
  const prefix = wanted - side * side
  const learnedSide = Math.sqrt(learned - prefix)
  if (prefix < 0 || learnedSide < 1 || !Number.isInteger(learnedSide)) return null
  const positions = torch.scope(() => {
    const { ops } = torch
    const wide = from.to('float32')
    const map = ops.permute(
      ops.reshape(ops.narrow(wide, 1, prefix, learned - prefix), [1, learnedSide, learnedSide, width]),
      [0, 3, 1, 2],
    )
    const resampled = torch.call('aten::_upsample_bicubic2d_aa', map, [side, side], false, null) as Tensor
    const rows = ops.reshape(ops.permute(resampled, [0, 2, 3, 1]), [1, side * side, width])
    return prefix === 0 ? rows : ops.cat([ops.narrow(wide, 1, 0, prefix), rows], 1)
  })
  const note = `position embedding resampled from ${learnedSide} × ${learnedSide} to ${side} × ${side} patches`
  return { positions, note }
}
