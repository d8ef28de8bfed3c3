/** One pass through backbone and head, each in its precision. */
import { torch, type HiddenMix, type Tensor } from '../binding/index.ts'
import { errorReason } from '../util/errors.ts'
import type { Networks } from './task.ts'

/**
 * The backbone may run in bfloat16 or float16; the head always runs in float32, because a margin or a temperature magnifies rounding: at
 * scale 30, bfloat16's 2⁻⁸ of a cosine is an error of 0.1 in a logit.
 *
 * @param images [N, 3, S, S] float32
 * @param mix    how hidden states are mixed on their way
 * @returns features [N, D] and the head's outputs [N, …], both float32
 */
export async function forwardNetworks(
  networks: Networks,
  images: Tensor,
  precision: 'float32' | 'bfloat16' | 'float16',
  mix: HiddenMix | null = null,
): Promise<{ features: Tensor; outputs: Tensor }> {
  const raw = await torch.autocast(precision === 'float32' ? null : precision, async () =>
    mix === null ? networks.backbone.forward(images) : (await networks.backbone.forwardMixed(images, mix)).output,
  )
  return torch.autocast(null, async () => {
    const features = raw.dtype === 'float32' ? raw : raw.to('float32')
    return { features, outputs: await networks.head.forward(features) }
  })
}

/**
 * A pass of networks that evaluate, where no picture's result depends on the others: in halves, and halves of these, where memory does not
 * suffice for all at once.
 *
 * @throws {BindingError} when a single picture does not fit
 */
export async function forwardAsFits(
  networks: Networks,
  images: Tensor,
  precision: 'float32' | 'bfloat16' | 'float16',
): Promise<{ features: Tensor; outputs: Tensor }> {
  const count = images.shape[0] ?? 0
  try {
    return await forwardNetworks(networks, images, precision)
  } catch (error) {
    if (errorReason(error) !== 'out of memory' || count < 2) throw error
  }
  const { ops } = torch
  const half = Math.ceil(count / 2)
  const first = await forwardAsFits(networks, ops.narrow(images, 0, 0, half), precision)
  const second = await forwardAsFits(networks, ops.narrow(images, 0, half, count - half), precision)
  return {
    features: ops.cat([first.features, second.features]),
    outputs: ops.cat([first.outputs, second.outputs]),
  }
}
