/** A backbone as its users see it. */
import type { NativeModule, Preprocessing, Tensor } from '../binding/index.ts'
import { BindingError } from '../util/errors.ts'

/** What `loadStateDict` with `strict: false` left out. */
export interface LoadReport {
  /** the network's tensors that kept their values */
  readonly missing: readonly string[]
  /** names that the network does not have */
  readonly surplus: readonly string[]
  /** names whose shapes differ */
  readonly mismatched: readonly string[]
}

/** One of the registered backbones, with the classifier it was made with. Calls run in order on the engine thread. */
export class Model {
  readonly name: string
  readonly native: NativeModule
  /** D, the length of a pooled feature vector */
  readonly numFeatures: number
  readonly parameterCount: number
  /** how an image becomes this network's input; travels with published weights */
  readonly preprocessing: Preprocessing

  constructor(name: string, native: NativeModule) {
    const { numFeatures, parameterCount, preprocessing } = native.info
    if (numFeatures === undefined || preprocessing === undefined) {
      throw new BindingError(`expected ${name} to be a backbone but the addon says it is another kind of network`)
    }
    this.name = name
    this.native = native
    this.numFeatures = numFeatures
    this.parameterCount = parameterCount
    this.preprocessing = preprocessing
  }

  /** [N, 3, S, S] float32, normalised → logits [N, numClasses]; pooled features [N, D] when made with numClasses 0. */
  forward(images: Tensor): Promise<Tensor> {
    return this.native.forward(images)
  }

  /** [N, 3, S, S] → what timm's forward_features returns: a map [N, D, H, W], or tokens [N, 1 + T, D] for a vision transformer. */
  forwardFeatures(images: Tensor): Promise<Tensor> {
    return this.native.forwardFeatures(images)
  }

  /** forwardFeatures' result → pooled features [N, D]. */
  pool(features: Tensor): Promise<Tensor> {
    return this.native.pool(features)
  }

  /** Batch statistics are learned and used batch by batch. */
  train(): this {
    this.native.train(true)
    return this
  }

  /** Batch statistics are those that were learned. */
  eval(): this {
    this.native.train(false)
    return this
  }

  /** Parameters, then buffers, under timm's names. The tensors are the network's own, not copies. */
  stateDict(): Map<string, Tensor> {
    return this.native.stateDict()
  }

  namedParameters(): Map<string, Tensor> {
    return this.native.namedParameters()
  }

  /**
   * Copies values in by name. With `strict` (the default) names and shapes must be exactly the network's; without it what fits is
   * copied and the rest is reported.
   *
   * @throws {SnapshotError} listing missing, surplus and mis-shaped names; nothing is changed then
   */
  async loadStateDict(state: ReadonlyMap<string, Tensor>, options: { strict?: boolean } = {}): Promise<LoadReport> {
    if (options.strict ?? true) {
      await this.native.loadStateDict(state)
      return { missing: [], surplus: [], mismatched: [] }
    }
    const own = this.stateDict()
    const merged = new Map(own)
    const mismatched: string[] = []
    for (const [name, tensor] of state) {
      const target = own.get(name)
      if (target === undefined) continue
      if (target.shape.join() === tensor.shape.join()) merged.set(name, tensor)
      else mismatched.push(name)
    }
    await this.native.loadStateDict(merged)
    return {
      missing: [...own.keys()].filter((name) => !state.has(name)),
      surplus: [...state.keys()].filter((name) => !own.has(name)),
      mismatched,
    }
  }

  dispose(): void {
    this.native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
