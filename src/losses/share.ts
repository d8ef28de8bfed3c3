/** A number of the host, or a float64 scalar [] with it on the device: what a captured pass is given instead, which would bake a number in. */
import { torch, type Tensor } from '../binding/index.ts'

export type Share = number | Tensor

/** tensor · share, rounded alike for both kinds. */
export function times(tensor: Tensor, share: Share): Tensor {
  return torch.ops.mul(tensor, typeof share === 'number' ? share : share.to(tensor.dtype))
}

/** 1 − share */
export function rest(share: Share): Share {
  return typeof share === 'number' ? 1 - share : torch.ops.add(torch.ops.neg(share), 1)
}
