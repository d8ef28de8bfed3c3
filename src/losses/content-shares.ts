/**
 * How much of each picture is left in a mixture, by what is in it: TokenMix, Liu et al. 2022. https://arxiv.org/abs/2207.08409
 *
 * A picture's activation map says where its class is. a is the share of the own picture's activation under the mask, b that of the
 * partner's outside it, and the own label's share is a / (a + b): the two shares are 1 together, as everywhere where labels are mixed.
 */
import { torch, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'

/** Nothing of either class is left. */
const smallestActivation = 1e-6

/**
 * @param activations [N, h, w] ≥ 0, of the whole pictures; a map without any activation counts as even
 * @param own         [H, W] bool, true where the own picture stays
 * @param partners    [N] int64, whom each picture is mixed with
 * @returns [N] float32 in [0, 1]; the share of the area where nothing of either activation is left
 * @throws {ShapeError} when the maps or the mask have another number of dimensions
 */
export function contentShares(activations: Tensor, own: Tensor, partners: Tensor): Tensor {
  if (activations.shape.length !== 3 || own.shape.length !== 2)
    throw new ShapeError(
      `content shares: expected maps [N, h, w] and a mask [H, W], got [${activations.shape.join(', ')}] and [${own.shape.join(', ')}]`,
    )
  const { ops } = torch
  return torch.noGrad(() => {
    const [count = 0, height = 0, width = 0] = activations.shape
    const mask = ops.reshape(own.to('float32'), [1, ...own.shape])
    const kept = ops.reshape(ops.adaptiveAvgPool2d(mask, [height, width]), [1, height * width])
    const flat = ops.reshape(activations.to('float32'), [count, height * width])
    const sums = ops.sum(flat, [1], true)
    const even = ops.fullLike(flat, 1 / (height * width))
    const spread = ops.where(ops.gt(sums, smallestActivation), ops.div(flat, ops.clamp(sums, smallestActivation)), even)
    const left = ops.sum(ops.mul(spread, kept), [1])
    const gone = ops.add(ops.neg(left), 1)
    const gained = ops.indexSelect(gone, 0, partners)
    const both = ops.add(left, gained)
    const area = ops.mean(own.to('float32'))
    const shares = ops.div(left, ops.clamp(both, smallestActivation))
    return ops.where(ops.gt(both, smallestActivation), ops.clamp(shares, 0, 1), area)
  })
}
