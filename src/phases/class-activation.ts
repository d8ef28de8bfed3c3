/**
 * Where in a picture a network sees a class: the class activation map, Zhou et al. 2015, eq. 2. https://arxiv.org/abs/1512.04150
 *
 * The classifier scores each place of the last feature map as if it were the pooled one: a linear head less its bias, a cosine head times
 * the length of the place's features, so that where features are averaged the mean over the places is the score of the picture (that of a
 * cosine head times the length of the pooled features).
 */
import { torch, type Tensor } from '../binding/index.ts'
import type { Networks } from '../train/index.ts'
import type { Precision } from './context.ts'
import type { HeadSpec } from './networks.ts'

/** Class, register and distillation tokens before those of the picture. */
const mostPrefixTokens = 8

/**
 * @param features    what a backbone's forwardFeatures gives: [N, D, h, w], [N, h, w, D], or tokens [N, T, D]
 * @param numFeatures D of the pooled features
 * @returns [N, h, w, D]; null where the features are no map of places of that width
 */
export function placesOf(features: Tensor, numFeatures: number): Tensor | null {
  const { ops } = torch
  const [count = 0, second = 0, , last = 0] = features.shape
  if (features.shape.length === 4) {
    if (second === numFeatures) return ops.permute(features, [0, 2, 3, 1])
    return last === numFeatures ? features : null
  }
  if (features.shape.length !== 3 || features.shape[2] !== numFeatures) return null
  const side = Math.floor(Math.sqrt(second))
  const prefix = second - side * side
  if (side < 2 || prefix > mostPrefixTokens) return null
  return ops.reshape(ops.slice(features, 1, prefix, second), [count, side, side, numFeatures])
}

/**
 * @param headKind linear or cosine
 * @param images   [N, 3, S, S]
 * @param labels   [N] int64, the class that is looked for in each
 * @returns [N, h, w] scores of the class without the head's scale, of either sign; null where the network has no map of places
 */
export async function classScores(
  { backbone, head, numFeatures }: Networks & { readonly numFeatures: number },
  headKind: HeadSpec['kind'],
  images: Tensor,
  labels: Tensor,
  precision: Precision,
): Promise<Tensor | null> {
  const raw = await torch.autocast(precision === 'float32' ? null : precision, () => backbone.forwardFeatures(images))
  const places = placesOf(raw, numFeatures)
  if (places === null) return null
  const { ops } = torch
  const [count = 0, height = 0, width = 0] = places.shape
  return torch.autocast(null, async () => {
    const rows = ops.reshape(places.to('float32'), [count * height * width, numFeatures])
    const outputs = await head.forward(rows)
    const scores =
      headKind === 'cosine'
        ? ops.mul(outputs, ops.linalgVectorNorm(rows, 2, [1], true))
        : ops.sub(outputs, await head.forward(torch.zeros([1, numFeatures], { device: images.device })))
    const classes = ops.reshape(ops.expand(ops.reshape(labels, [count, 1]), [count, height * width]), [
      count * height * width,
      1,
    ])
    return ops.reshape(ops.gather(scores, 1, classes), [count, height, width])
  })
}
