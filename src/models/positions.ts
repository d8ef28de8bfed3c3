/** Position and patch embeddings that were learned at another image or patch size. */
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

/**
 * The kernel of `patch_embed.proj`, fitted to another patch size: the kernel whose answer to a resampled patch is nearest to the old one's
 * to the patch (Beyer et al. 2022, arXiv 2212.08013, eq. 3: the pseudoinverse of resampling). As timm's `resample_patch_embed`.
 *
 * @param kernel [D, 3, P, P]
 * @param side of the new patches
 * @returns [D, 3, side, side], the caller's to dispose
 */
export function resamplePatches(kernel: Tensor, side: number): Tensor {
  const [width = 0, colours = 0, height = 0, breadth = 0] = kernel.shape
  return torch.scope(() => {
    const { ops } = torch
    const count = height * breadth
    const basis = ops.reshape(torch.call('aten::eye', count) as Tensor, [count, 1, height, breadth])
    const resampled = torch.call('aten::_upsample_bicubic2d_aa', basis, [side, side], false, null) as Tensor
    const resize = ops.transpose(ops.reshape(resampled, [count, side * side]), 0, 1)
    const inverse = torch.call('aten::linalg_pinv.atol_rtol_float', resize) as Tensor
    const flat = ops.reshape(kernel.to('float32'), [width, colours, count])
    return ops.reshape(ops.matmul(flat, inverse), [width, colours, side, side])
  })
}
