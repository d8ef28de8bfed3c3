/** Where NaN or infinity comes from: the input, a weight, a part of the loss, or the gradient of a parameter. Looked at only when it came up. */
import { torch, type Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import { parameterGroups, type GroupOptions } from '../optim/index.ts'
import type { Networks, TrainingTask } from './task.ts'

const mostNames = 3

export function isFinite(tensor: Tensor): boolean {
  if (!/^(b?float|double)/.test(tensor.dtype)) return true
  const { ops } = torch
  return torch.scope(() => torch.noGrad(() => Number(ops.all(ops.isfinite(tensor)).item()) === 1))
}

/**
 * "of the weights backbone.a and 3 others are not finite", or "" where all are.
 *
 * @param withStatistics also buffers, which a forward pass has moved before its loss is known
 */
export function brokenWeights(networks: Networks, withStatistics: boolean): string {
  return torch.scope(() => {
    const all = (['backbone', 'head'] as const).flatMap((part) =>
      [...(withStatistics ? networks[part].stateDict() : networks[part].namedParameters())].map(
        ([name, tensor]) => [`${part}.${name}`, tensor] as const,
      ),
    )
    const broken = all.filter(([, tensor]) => !isFinite(tensor)).map(([name]) => name)
    return broken.length === 0 ? '' : `of the weights ${listed(broken)} not finite`
  })
}

/** Of a loss that is not finite. @param parts its parts, as far as the task tells them */
export function originOfLoss(
  batches: readonly Batch[],
  networks: Networks,
  parts: Readonly<Record<string, number>>,
): string {
  const images = batches.some((batch) => !isFinite(batch.images))
  const named = Object.entries(parts).filter(([, value]) => !Number.isFinite(value))
  return [
    images ? 'images of the batch are not finite' : '',
    brokenWeights(networks, false),
    named.length === 0 ? '' : `of its parts, ${named.map(([name, value]) => `${name} is ${value}`).join(' and ')}`,
  ]
    .filter((text) => text !== '')
    .join('; ')
}

/** Of gradients that are not: the parameters that have them, the one nearest to the loss first, with its group. */
export function originOfGradient(task: TrainingTask, networks: Networks, options: GroupOptions): string {
  return torch.scope(() => {
    const trainable = task.trainable(networks)
    const groups = parameterGroups(trainable, options)
    const names = trainable.flatMap(({ prefix, parameters }) =>
      [...parameters.keys()].map((name) => `${prefix}.${name}`),
    )
    const broken = new Map<string, number>()
    for (const [index, { parameters }] of groups.entries())
      for (const [name, { grad }] of parameters) if (grad !== null && !isFinite(grad)) broken.set(name, index)
    if (broken.size === 0) return 'each gradient is finite, their norm is not'
    // Backward begins at the loss: what comes last in the network is where it met them first.
    const [first = '', ...others] = names.filter((name) => broken.has(name)).reverse()
    const index = broken.get(first) ?? 0
    const { learningRateScale = 1, weightDecay = 0 } = groups[index] ?? {}
    const count = [...groups].reduce((sum, { parameters }) => sum + parameters.size, 0)
    return (
      `the gradient of ${first} (group ${index}: lr × ${learningRateScale}, weight decay ${weightDecay}) is not finite` +
      (others.length === 0 ? '' : `, then those of ${listed(others, '')}`) +
      ` (${broken.size} of ${count} parameters)`
    )
  })
}

function listed(names: readonly string[], verb: string = names.length === 1 ? ' is' : ' are'): string {
  const rest = names.length - mostNames
  return `${names.slice(0, mostNames).join(', ')}${rest > 0 ? ` and ${rest} others` : ''}${verb}`
}
