/**
 * What a forward pass in training mode changes beside gradients: buffers of the networks (batch statistics and their counters) and what a task
 * remembers. SAM sends each batch through twice; both passes begin with the same state, and what stays is that of the first.
 */
import { emaUpdate, torch, type Tensor } from '../binding/index.ts'
import type { Networks, TrainingTask } from './task.ts'

export interface HeldState {
  putBack(): Promise<void>
}

/** Copies of the state as it is now; they live as long as the current scope. */
export async function heldState({ backbone, head }: Networks, task: TrainingTask): Promise<HeldState> {
  const buffers = [...backbone.namedBuffers().values(), ...head.namedBuffers().values()]
  const copies = torch.noGrad(() => buffers.map((tensor) => torch.call('aten::clone', tensor) as Tensor))
  const remembered = torch.noGrad(() =>
    [...(task.state?.() ?? [])]
      .filter(([, tensor]) => !tensor.requiresGrad)
      .map(([name, tensor]) => [name, torch.call('aten::clone', tensor) as Tensor] as const),
  )
  return {
    async putBack() {
      if (buffers.length > 0) await emaUpdate(buffers, copies, 0)
      // What is trained is no statistic: it stays where the ascent has taken it.
      const trained = [...(task.state?.() ?? [])].filter(([, tensor]) => tensor.requiresGrad)
      await task.restore?.(new Map([...trained, ...remembered]))
    },
  }
}
