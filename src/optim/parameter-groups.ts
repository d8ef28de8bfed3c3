/**
 * Which parameters the optimizer moves, in groups that share a learning-rate scale and a weight decay.
 *
 * Layer-wise learning-rate decay as in BEiT (Bao et al. 2021, arXiv 2106.08254) and timm's param_groups_layer_decay: with L layers below
 * the head, layer i trains at layerDecay^(L − i) of the rate and the head at the rate itself.
 */
import type { Tensor } from '../binding/index.ts'

export interface ParameterGroup {
  readonly parameters: ReadonlyMap<string, Tensor>
  /** multiplies the scheduled learning rate */
  readonly learningRateScale?: number
  readonly weightDecay?: number
}

export interface NamedPart {
  /** goes before the parameter's name, e.g. "backbone" */
  readonly prefix: string
  readonly parameters: ReadonlyMap<string, Tensor>
  readonly learningRateScale?: number
  /** the part cut by depth, input first, as lists of name prefixes; what is in none of them counts as the head */
  readonly layers?: readonly (readonly string[])[]
}

export interface GroupOptions {
  readonly weightDecay: number
  readonly decayNormsAndBiases: boolean
  /** in (0, 1]; 1 (default) trains every layer at the same rate */
  readonly layerDecay?: number
}

/**
 * Never decayed, whatever their shape: tokens and position embeddings, SwinV2's logit scales and position-bias networks (timm's
 * no_weight_decay), and adapters, whose zero (LoRA) or one (IA3) is the untouched network.
 */
const neverDecayed =
  /(^|\.)((cls|reg|dist|mask)_token|(absolute_)?pos_embed|logit_scale|cpb_mlp\.\d+\.\w+|lora_A|lora_B|ia3_l)$/

/**
 * Matrices and kernels with `weightDecay`; one-dimensional parameters (biases, norm and layer scales) without, unless
 * `decayNormsAndBiases`; the exceptions above without. Frozen parameters are left out.
 */
export function parameterGroups(parts: readonly NamedPart[], options: GroupOptions): ParameterGroup[] {
  const { weightDecay, decayNormsAndBiases, layerDecay = 1 } = options
  const groups = new Map<string, { parameters: Map<string, Tensor>; learningRateScale: number; weightDecay: number }>()
  for (const [index, part] of parts.entries()) {
    const { prefix, learningRateScale = 1, layers = [] } = part
    const trainable = [...part.parameters].filter(([, parameter]) => parameter.requiresGrad)
    // what is decayed comes first
    for (const decayed of [true, false]) {
      for (const [name, parameter] of trainable) {
        const decays = (parameter.shape.length > 1 || decayNormsAndBiases) && !neverDecayed.test(name)
        if (decays !== decayed) continue
        const above = layerDecay === 1 ? 0 : layers.length - layerOf(name, layers)
        const key = `${index} ${decayed} ${above}`
        const group = groups.get(key) ?? {
          parameters: new Map<string, Tensor>(),
          learningRateScale: learningRateScale * layerDecay ** above,
          weightDecay: decayed ? weightDecay : 0,
        }
        group.parameters.set(`${prefix}.${name}`, parameter)
        groups.set(key, group)
      }
    }
  }
  return [...groups.values()]
}

/** The index of the layer that a tensor belongs to; the number of layers for one that is in none. */
export function layerOf(name: string, layers: readonly (readonly string[])[]): number {
  const found = layers.findIndex((prefixes) =>
    prefixes.some((prefix) => name === prefix || name.startsWith(`${prefix}.`)),
  )
  return found < 0 ? layers.length : found
}
