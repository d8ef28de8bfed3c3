/** Which parameters the optimizer moves, in groups that share a learning-rate scale and a weight decay. */
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
}

/**
 * Two groups a part: matrices and kernels with `weightDecay`, and one-dimensional parameters (biases, norm scales) without,
 * unless `decayNormsAndBiases`. Frozen parameters are left out.
 */
export function parameterGroups(
  parts: readonly NamedPart[],
  options: { readonly weightDecay: number; readonly decayNormsAndBiases: boolean },
): ParameterGroup[] {
  const groups: ParameterGroup[] = []
  for (const part of parts) {
    const decayed = new Map<string, Tensor>()
    const undecayed = new Map<string, Tensor>()
    for (const [name, parameter] of part.parameters) {
      if (!parameter.requiresGrad) continue
      const matrix = parameter.shape.length > 1 || options.decayNormsAndBiases
      ;(matrix ? decayed : undecayed).set(`${part.prefix}.${name}`, parameter)
    }
    const learningRateScale = part.learningRateScale ?? 1
    if (decayed.size > 0) groups.push({ parameters: decayed, learningRateScale, weightDecay: options.weightDecay })
    if (undecayed.size > 0) groups.push({ parameters: undecayed, learningRateScale, weightDecay: 0 })
  }
  return groups
}
