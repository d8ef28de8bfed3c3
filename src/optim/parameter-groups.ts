/**
 * Which parameters the optimizer moves, in groups that share a learning-rate scale and a weight decay.
 *
 * Layer-wise learning-rate decay as in BEiT (Bao et al. 2021, arXiv 2106.08254) and timm's param_groups_layer_decay: with L layers below
 * the head, layer i trains at layerDecay^(L − i) of the rate and the head at the rate itself.
 */
import type { Tensor } from '../binding/index.ts'
import type { OptimizerKind } from './optimizer.ts'

export interface ParameterGroup {
  readonly parameters: ReadonlyMap<string, Tensor>
  /** multiplies the scheduled learning rate */
  readonly learningRateScale?: number
  readonly weightDecay?: number
  readonly centralize?: boolean
  readonly adaptiveClip?: boolean
  readonly orthogonalize?: boolean
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
  /** whose gradients lose their mean over each output unit: none (default), all matrices and kernels of the backbone, or its kernels only */
  readonly gradientCentralization?: 'none' | 'all' | 'conv'
  /** muon orthogonalises the matrices and kernels of the backbone behind its first layer */
  readonly optimizer?: OptimizerKind
}

/**
 * Never decayed, whatever their shape: tokens and position embeddings, SwinV2's logit scales and position-bias networks (timm's
 * no_weight_decay), and adapters, whose zero (LoRA) or one (IA3) is the untouched network. Nor are they centralised or orthogonalised.
 */
const neverDecayed =
  /(^|\.)((cls|reg|dist|mask)_token|(absolute_)?pos_embed|logit_scale|cpb_mlp\.\d+\.\w+|lora_A|lora_B|ia3_l)$/

/**
 * Matrices and kernels with `weightDecay`; one-dimensional parameters (biases, norm and layer scales) without, unless
 * `decayNormsAndBiases`; the exceptions above without. Frozen parameters are left out.
 */
export function parameterGroups(parts: readonly NamedPart[], options: GroupOptions): ParameterGroup[] {
  const { weightDecay, decayNormsAndBiases, layerDecay = 1 } = options
  const groups = new Map<string, Mutable<ParameterGroup> & { parameters: Map<string, Tensor> }>()
  for (const [index, part] of parts.entries()) {
    const { prefix, learningRateScale = 1, layers = [] } = part
    const trainable = [...part.parameters].filter(([, parameter]) => parameter.requiresGrad)
    // what is decayed comes first
    for (const decayed of [true, false]) {
      for (const [name, parameter] of trainable) {
        const decays = (parameter.shape.length > 1 || decayNormsAndBiases) && !neverDecayed.test(name)
        if (decays !== decayed) continue
        const above = layerDecay === 1 ? 0 : layers.length - layerOf(name, layers)
        const rules = rulesFor(part, name, parameter.shape, options)
        const key = `${index} ${decayed} ${above} ${Object.values(rules).join()}`
        const group = groups.get(key) ?? {
          parameters: new Map<string, Tensor>(),
          learningRateScale: learningRateScale * layerDecay ** above,
          weightDecay: decayed ? weightDecay : 0,
          ...rules,
        }
        group.parameters.set(`${prefix}.${name}`, parameter)
        groups.set(key, group)
      }
    }
  }
  return [...groups.values()]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Weights of the backbone, and of no head: a margin's directions mean nothing without their mean, and a classifier is neither clipped by its
 * units (Brock et al. 2021, section 4.1) nor orthogonalised.
 */
function rulesFor(
  { prefix, layers = [] }: NamedPart,
  name: string,
  shape: readonly number[],
  { gradientCentralization = 'none', optimizer = 'adamw' }: GroupOptions,
): { centralize: boolean; adaptiveClip: boolean; orthogonalize: boolean } {
  const isBackbone = prefix === 'backbone'
  const isWeight = isBackbone && shape.length > 1 && !neverDecayed.test(name) && !isTable.test(name)
  const isDepthwise = shape.length > 2 && shape[1] === 1
  return {
    centralize:
      isWeight && (gradientCentralization === 'all' || (gradientCentralization === 'conv' && shape.length > 3)),
    adaptiveClip: isBackbone,
    orthogonalize:
      optimizer === 'muon' && isWeight && !isDepthwise && (layers.length === 0 || layerOf(name, layers) > 0),
  }
}

const isTable = /(^|\.)relative_position_bias_table$/

/** The index of the layer that a tensor belongs to; the number of layers for one that is in none. */
export function layerOf(name: string, layers: readonly (readonly string[])[]): number {
  const found = layers.findIndex((prefixes) =>
    prefixes.some((prefix) => name === prefix || name.startsWith(`${prefix}.`)),
  )
  return found < 0 ? layers.length : found
}
