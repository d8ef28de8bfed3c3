/** Optimizers of the addon: multi-tensor updates on the engine thread. */
import { refuseInCapture } from './context.ts'
import { native } from './native.ts'
import type { AverageHandle, ClipMode, OptimizerHandle, Options } from './native.ts'
import { fromHandles, toHandles } from './tensor.ts'
import type { Tensor } from './tensor.ts'

export interface NativeParameterGroup {
  readonly parameters: ReadonlyMap<string, Tensor>
  /** Multiplied with the scheduled learning rate; default 1. */
  readonly learningRateScale?: number
  /** Default 0. */
  readonly weightDecay?: number
  /** Gradients of two dimensions or more lose their mean over dimensions 1.. before each update; default false. */
  readonly centralize?: boolean
  /** Whether adaptive clipping acts on it; default true. */
  readonly adaptiveClip?: boolean
  /** Muon: whether it orthogonalises the group's matrices; default false. */
  readonly orthogonalize?: boolean
}

export interface NativeUpdate {
  readonly learningRate: number
  /** Multiplies every gradient first: 1 / loss scale. Default 1. */
  readonly gradientScale?: number
  readonly clip?: ClipMode
  /** The largest norm, magnitude or ratio; read unless `clip` is none. */
  readonly clipLimit?: number
  /** Moved towards the new weights by `averageDecay` in the same pass. */
  readonly average?: NativeAverage | null
  readonly averageDecay?: number
}

export class NativeOptimizer {
  readonly #handle: OptimizerHandle

  /** @param keepSlowWeights a copy of the weights as they are now is kept, for `pullSlowWeights` */
  constructor(
    kind: 'adamw' | 'lamb' | 'lion' | 'muon' | 'sgd',
    groups: readonly NativeParameterGroup[],
    options: Options = {},
    keepSlowWeights = false,
  ) {
    this.#handle = native.createOptimizer(
      kind,
      groups.map((group) => ({
        parameters: toHandles(group.parameters),
        learningRateScale: group.learningRateScale ?? 1,
        weightDecay: group.weightDecay ?? 0,
        centralize: group.centralize ?? false,
        adaptiveClip: group.adaptiveClip ?? true,
        orthogonalize: group.orthogonalize ?? false,
      })),
      options,
      keepSlowWeights,
    )
  }

  async step(learningRate: number): Promise<void> {
    await native.optimizerStep(this.#handle, learningRate)
  }

  /**
   * Unscale, centralise, clip, update from where SAM's ascent began, average, gradients to none: one call, and for AdamW on the processor one
   * pass over memory. `applied` is false where the norm is not finite: then no weight was touched, and the gradients are still there.
   */
  async update(request: NativeUpdate): Promise<{ gradientNorm: number; applied: boolean }> {
    const { learningRate, gradientScale = 1, clip = 'none', clipLimit = 0, average = null, averageDecay = 0 } = request
    const [gradientNorm, applied] = await native.optimizerUpdate(this.#handle, {
      learningRate,
      gradientScale,
      clip,
      clipLimit,
      average: average?.handle ?? null,
      averageDecay,
    })
    return { gradientNorm, applied }
  }

  /** SAM's first step; the next `update` begins at the weights of before. The norm is not finite where nothing was moved. */
  async ascend(request: { rho: number; adaptive: boolean; eta: number; gradientScale: number }): Promise<number> {
    return native.optimizerAscend(this.#handle, request)
  }

  /** Back from the ascent without an update, bit for bit. */
  async descend(): Promise<void> {
    await native.optimizerDescend(this.#handle)
  }

  /** Lookahead: slow ← slow + alpha · (fast − slow), fast ← slow. */
  async pullSlowWeights(alpha: number): Promise<void> {
    await native.optimizerPullSlowWeights(this.#handle, alpha)
  }

  /** Whether gradients stay where they are and are set to 0 instead of none; for a captured pass, which adds to fixed addresses. */
  async keepGradients(keep: boolean): Promise<void> {
    await native.optimizerKeepGradients(this.#handle, keep)
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

/** Tensors kept as a running average of others, by position. */
export class NativeAverage {
  /** For src/binding alone. */
  readonly handle: AverageHandle

  /** @throws {ShapeError} when the lists differ in length, shapes or types */
  constructor(shadow: readonly Tensor[], source: readonly Tensor[]) {
    this.handle = native.createAverage(
      shadow.map((tensor) => tensor.handle),
      source.map((tensor) => tensor.handle),
    )
  }

  /** shadow ← decay · shadow + (1 − decay) · source; integer tensors are copied. 0 copies everything. */
  async update(decay: number): Promise<void> {
    await native.averageUpdate(this.handle, decay)
  }
}

/** shadow ← decay · shadow + (1 − decay) · source, by position; integer tensors are copied. */
export async function emaUpdate(shadow: readonly Tensor[], source: readonly Tensor[], decay: number): Promise<void> {
  refuseInCapture('an average was moved', 'Use copyFrom, or move it between two passes.')
  await native.emaUpdate(
    shadow.map((t) => t.handle),
    source.map((t) => t.handle),
    decay,
  )
}
