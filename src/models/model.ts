/** A backbone as its users see it. */
import type { NativeModule, Preprocessing, Tensor } from '../binding/index.ts'
import { BindingError, ConfigError } from '../util/errors.ts'
import { adapterOptions, adapterState, attachAdapters, hasAdapters } from './adapters.ts'
import type { AdapterOptions } from './adapters.ts'

/** What `loadStateDict` with `strict: false` left out. */
export interface LoadReport {
  /** the network's tensors that kept their values */
  readonly missing: readonly string[]
  /** names that the network does not have */
  readonly surplus: readonly string[]
  /** names whose shapes differ */
  readonly mismatched: readonly string[]
}

/** What `freeze` stops; {} is all but the classifier. */
export interface FreezeParts {
  /** the first of the network's stages, the stem being the first */
  readonly stages?: number | null | undefined
  /** consecutive parts of dotted names, with * and ? within a part: "blocks.0", "norm1", "blocks.*.attn" */
  readonly patterns?: readonly string[] | undefined
}

/** One of the registered backbones, with the classifier it was made with. Calls run in order on the engine thread. */
export class Model {
  readonly name: string
  readonly native: NativeModule
  /** D, the length of a pooled feature vector */
  readonly numFeatures: number
  /** how an image becomes this network's input; travels with published weights */
  readonly preprocessing: Preprocessing

  #adapters: AdapterOptions | null = null
  #frozen: string[] = []

  constructor(name: string, native: NativeModule) {
    const { numFeatures, preprocessing } = native.info
    if (numFeatures === undefined || preprocessing === undefined) {
      throw new BindingError(`expected ${name} to be a backbone but the addon says it is another kind of network`)
    }
    this.name = name
    this.native = native
    this.numFeatures = numFeatures
    this.preprocessing = preprocessing
  }

  /** all parameters, adapters included while they are not merged */
  get parameterCount(): number {
    return this.native.info.parameterCount
  }

  /** of these, the ones that are trained: neither frozen nor the base of adapters */
  get trainableParameterCount(): number {
    return this.native.info.trainableParameterCount
  }

  /** what the attached adapters were made by, merged or not; null when there are none */
  get adapters(): AdapterOptions | null {
    return this.#adapters
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

  /**
   * Attaches LoRA, IA3 or both; nothing when `options` ask for neither. The network itself is frozen, and gives what it gave before until
   * the adapters are trained.
   *
   * @throws {ConfigError} when the network has no layers for them, a pattern names none, or there are adapters already
   */
  async attachAdapters(options: AdapterOptions, { seed }: { seed?: number | undefined } = {}): Promise<void> {
    await attachAdapters(this.native, options, seed)
    if (hasAdapters(options)) this.#adapters = adapterOptions(options)
  }

  /** The adapters' tensors alone, such as "blocks.0.attn.qkv.lora_A"; empty while they are merged. */
  adapterState(): Map<string, Tensor> {
    return adapterState(this.native)
  }

  /** Writes the adapters into the weights: the same results, at the plain network's cost, under timm's names only. */
  async mergeAdapters(): Promise<void> {
    await this.native.mergeAdapters()
  }

  /** Takes `mergeAdapters` back, bit for bit. */
  async unmergeAdapters(): Promise<void> {
    await this.native.unmergeAdapters()
  }

  /** Merges for good: a plain network that holds what the adapters learned, all of it trainable again. */
  async mergeAndUnload(): Promise<void> {
    await this.native.mergeAdapters()
    await this.unloadAdapters()
  }

  /** Forgets the adapters, merged or not: the plain network, all of it trainable. */
  async unloadAdapters(): Promise<void> {
    await this.native.unloadAdapters()
    this.#adapters = null
    this.#frozen = []
  }

  /**
   * Stops the training of the first `stages`, of the parts that `patterns` name, or without either of all but the classifier. Batch norms
   * of frozen parts keep their statistics in training mode.
   *
   * @throws {ConfigError} when the network has fewer stages, a pattern names nothing, or there are no patterns in the list
   */
  async freeze({ stages = null, patterns }: FreezeParts = {}): Promise<this> {
    if (stages !== null && !Number.isInteger(stages))
      throw new ConfigError(`freeze.stages: expected a whole number, got ${stages}.`)
    if (patterns?.length === 0)
      throw new ConfigError(
        'freeze.patterns: expected at least one pattern, got an empty list. Leave it out to freeze the whole backbone.',
      )
    this.#frozen.push(...(await this.native.freeze(stages, patterns ?? [])))
    return this
  }

  /** Trains again what `freeze` stopped; the base of adapters stays frozen. */
  async unfreeze(): Promise<this> {
    await this.native.setTrainable(this.#frozen, true)
    this.#frozen = []
    return this
  }

  dispose(): void {
    this.native.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
