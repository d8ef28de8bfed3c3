/** Optimizers of the addon: multi-tensor updates on the engine thread. */
import { native } from './native.ts'
import type { OptimizerHandle, Options } from './native.ts'
import { fromHandles, toHandles } from './tensor.ts'
import type { Tensor } from './tensor.ts'

export interface NativeParameterGroup {
  readonly parameters: ReadonlyMap<string, Tensor>
  /** Multiplied with the scheduled learning rate; default 1. */
  readonly learningRateScale?: number
  /** Default 0. */
  readonly weightDecay?: number
}

export class NativeOptimizer {
  readonly #handle: OptimizerHandle

  constructor(kind: 'sgd' | 'adamw', groups: readonly NativeParameterGroup[], options: Options = {}) {
    this.#handle = native.createOptimizer(
      kind,
      groups.map(({ parameters, learningRateScale = 1, weightDecay = 0 }) => ({
        parameters: toHandles(parameters),
        learningRateScale,
        weightDecay,
      })),
      options,
    )
  }

  async step(learningRate: number): Promise<void> {
    await native.optimizerStep(this.#handle, learningRate)
  }

  async zeroGrad(): Promise<void> {
    await native.optimizerZeroGrad(this.#handle)
  }

  /** The global L2 norm of all gradients before clipping to `maxNorm`; 0 only measures. */
  async clipGradNorm(maxNorm: number): Promise<number> {
    return native.optimizerClipGradNorm(this.#handle, maxNorm)
  }

  /** A copy of the state, as "<slot>.<parameter name>" and "step". */
  async state(): Promise<Map<string, Tensor>> {
    return fromHandles(await native.optimizerState(this.#handle))
  }

  async loadState(state: ReadonlyMap<string, Tensor>): Promise<void> {
    await native.optimizerLoadState(this.#handle, toHandles(state))
  }
}

/** shadow ← decay · shadow + (1 − decay) · source, by position; integer tensors are copied. */
export async function emaUpdate(shadow: readonly Tensor[], source: readonly Tensor[], decay: number): Promise<void> {
  await native.emaUpdate(
    shadow.map((t) => t.handle),
    source.map((t) => t.handle),
    decay,
  )
}
