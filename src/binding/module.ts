/** Networks of the addon: a backbone, a head, or a classifier made of both. They run on the engine thread, in the order of the calls. */
import { BindingError } from '../util/errors.ts'
import { context } from './context.ts'
import { native } from './native.ts'
import type { BackboneCost, BackboneEntry, Depth, ModuleHandle, ModuleInfo, Options } from './native.ts'
import { Tensor, fromHandles, toHandles } from './tensor.ts'

/** How hidden states are mixed: x · lambda + x[partners] · (1 − lambda), or by whole tokens. */
export interface HiddenMix {
  /** The input of this part of the network; −1: of none. */
  readonly part: number
  /** Default 1. */
  readonly lambda?: number
  /** int64 [N] */
  readonly partners?: Tensor | null
  /** bool [tokens of patches]: where the own token stays; instead of lambda. */
  readonly own?: Tensor | null
}

export interface ClassifierParts {
  readonly backbone: NativeModule
  /** null: the backbone's own classifier gives the logits. */
  readonly head: NativeModule | null
  /** Multiplies the head's output; the cosine head's scale s, 1 for a linear head. */
  readonly logitScale: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

export class NativeModule {
  /** For src/binding alone. */
  readonly handle: ModuleHandle
  readonly name: string
  #disposed = false

  private constructor(handle: ModuleHandle, name: string) {
    this.handle = handle
    this.name = name
  }

  static async createBackbone(name: string, options: Options): Promise<NativeModule> {
    return new NativeModule(await native.createBackbone(name, options), name)
  }

  static async createHead(kind: 'projection' | 'cosine' | 'linear', options: Options): Promise<NativeModule> {
    return new NativeModule(await native.createHead(kind, options), kind)
  }

  static async createClassifier(parts: ClassifierParts): Promise<NativeModule> {
    const { backbone, head, logitScale, mean, std } = parts
    const handle = await native.createClassifier(backbone.handle, head?.handle ?? null, logitScale, mean, std)
    return new NativeModule(handle, `${backbone.name} classifier`)
  }

  get info(): ModuleInfo {
    return native.moduleInfo(this.handle)
  }

  /** Backbone: images [N, 3, S, S] → logits, or pooled features [N, D] when made with num_classes 0. Head: [N, D] → [N, C]. */
  async forward(input: Tensor): Promise<Tensor> {
    return new Tensor(await native.moduleForward(this.handle, input.handle, context().mode))
  }

  /**
   * Backbones: `forward` with the hidden states of one part mixed within the batch (manifold mixup; with `own`, MixToken). Part −1
   * mixes nothing. `parts` are the shapes of what entered each part.
   *
   * @throws {ConfigError} for a part that the network does not have, or tokens that it does not have there
   */
  async forwardMixed(images: Tensor, mix: HiddenMix): Promise<{ output: Tensor; parts: number[][] }> {
    const { part, lambda = 1, partners = null, own = null } = mix
    const { output, parts } = await native.moduleForwardMixed(this.handle, images.handle, context().mode, {
      part,
      lambda,
      partners: partners?.handle ?? null,
      own: own?.handle ?? null,
    })
    return { output: new Tensor(output), parts }
  }

  /** Backbones: what timm's forward_features returns, in timm's layout. */
  async forwardFeatures(images: Tensor): Promise<Tensor> {
    return new Tensor(await native.moduleForwardFeatures(this.handle, images.handle, context().mode))
  }

  /** Backbones: forwardFeatures' result → pooled features [N, D]. */
  async pool(features: Tensor): Promise<Tensor> {
    return new Tensor(await native.modulePool(this.handle, features.handle, context().mode))
  }

  /** Classifiers: uint8 [N, S, S, 3] RGB → logits and probabilities [N, C], features [N, D]. */
  async classify(images: Tensor): Promise<{ logits: Tensor; probabilities: Tensor; features: Tensor }> {
    const [logits, probabilities, features] = await native.moduleClassify(this.handle, images.handle, context().mode)
    return { logits: new Tensor(logits), probabilities: new Tensor(probabilities), features: new Tensor(features) }
  }

  /** Takes its turn behind the calls made before it. */
  train(on: boolean): void {
    void native.moduleTrain(this.handle, on)
  }

  /**
   * Batch norms forget their statistics and keep the mean over the batches that go through from now on; the rest is put into evaluation
   * mode. What is frozen in `live` keeps its own.
   *
   * @returns how many batch norms there are to estimate
   */
  beginStatistics(live: NativeModule): Promise<number> {
    return native.moduleBeginStatistics(this.handle, live.handle)
  }

  /** Evaluation mode; batch norms have the momentum of `live`'s again. */
  async endStatistics(live: NativeModule): Promise<void> {
    await native.moduleEndStatistics(this.handle, live.handle)
  }

  namedParameters(): Map<string, Tensor> {
    return fromHandles(native.moduleNamedParameters(this.handle))
  }

  namedBuffers(): Map<string, Tensor> {
    return fromHandles(native.moduleNamedBuffers(this.handle))
  }

  /** Parameters, then buffers, under timm's names. The tensors are the network's own, not copies. */
  stateDict(): Map<string, Tensor> {
    return new Map([...this.namedParameters(), ...this.namedBuffers()])
  }

  /** Copies `state` in, all or nothing. @throws {SnapshotError} listing missing, surplus and mis-shaped names */
  async loadStateDict(state: ReadonlyMap<string, Tensor>): Promise<void> {
    await native.moduleLoadState(this.handle, toHandles(state))
  }

  setRequiresGrad(flag: boolean, prefix = ''): void {
    native.moduleSetRequiresGrad(this.handle, flag, prefix)
  }

  /** Backbones: LoRA and IA3 (lora_rank, lora_alpha, lora_dropout, use_ia3, seed); the rest is frozen. */
  async attachAdapters(options: Options, loraTargets: readonly string[] = []): Promise<void> {
    await native.moduleAttachAdapters(this.handle, this.name, options, loraTargets)
  }

  /**
   * Writes the adapters into the weights; their own parameters leave the module until `unmergeAdapters`.
   *
   * @returns how many layers were merged by this call; 0 where there is nothing (more) to merge
   */
  mergeAdapters(): Promise<number> {
    return native.moduleMergeAdapters(this.handle)
  }

  /** The weights as they were before `mergeAdapters`, bit for bit. */
  async unmergeAdapters(): Promise<void> {
    await native.moduleUnmergeAdapters(this.handle)
  }

  /** Forgets the adapters; merged weights stay merged, and what the adapters had frozen is trainable again. */
  async unloadAdapters(): Promise<void> {
    await native.moduleUnloadAdapters(this.handle)
  }

  /** Names of the adapters' parameters; none while they are merged. */
  adapterNames(): string[] {
    return native.moduleAdapterNames(this.handle)
  }

  /**
   * Backbones: stops the training of the first `stages`, of what `patterns` cover, or without either of all but the classifier.
   *
   * @returns names of the parameters that were trainable and no longer are, for `setTrainable`
   */
  freeze(stages: number | null, patterns: readonly string[]): Promise<string[]> {
    return native.moduleFreeze(this.handle, stages, patterns)
  }

  async setTrainable(names: readonly string[], flag: boolean): Promise<void> {
    await native.moduleSetTrainable(this.handle, names, flag)
  }

  /** Backbones: the network cut by depth. */
  get depth(): Depth {
    return native.moduleDepth(this.handle)
  }

  async to(device: string): Promise<void> {
    await native.moduleTo(this.handle, device)
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    native.moduleDispose(this.handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

export function listBackbones(): BackboneEntry[] {
  return native.listBackbones()
}

/** Builds a network as it is without options and runs one image of its own size through it, counting. */
export function backboneCost(name: string): Promise<BackboneCost> {
  return native.backboneCost(name)
}

/** A network as a graph of ATen nodes; src/export lowers it. */
export interface Trace {
  /** Untyped here: src/export/graph.ts knows its shape. */
  readonly graph: unknown
  readonly parameters: Map<string, Tensor>
}

/** Runs `module` once under LibTorch's tracer. Put it into eval mode first. */
export async function traceModule(module: NativeModule, example: Tensor): Promise<Trace> {
  const { json, parameters } = await native.traceModule(module.handle, example.handle)
  try {
    return { graph: JSON.parse(json), parameters: fromHandles(parameters) }
  } catch (cause) {
    throw new BindingError(`the traced graph is not valid JSON: ${(cause as Error).message}`, { cause })
  }
}

/** The same trace as a TorchScript archive; `extraFiles` are stored inside. */
export async function saveTorchScript(
  module: NativeModule,
  example: Tensor,
  path: string,
  extraFiles: Record<string, string> = {},
): Promise<void> {
  await native.saveTorchScript(module.handle, example.handle, path, extraFiles)
}
