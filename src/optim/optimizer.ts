/** SGD with Nesterov momentum (Sutskever et al. 2013) and AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101), updated natively. */
import { NativeOptimizer, torch, type Tensor } from '../binding/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { ParameterGroup } from './parameter-groups.ts'

export interface OptimizerOptions {
  readonly optimizer: 'adamw' | 'sgd'
  readonly momentum: number
  readonly nesterov: boolean
  readonly beta1: number
  readonly beta2: number
}

export class Optimizer {
  readonly #native: NativeOptimizer
  /** in the order of the groups, which is the order of the step counts */
  readonly #names: readonly string[]

  constructor(groups: readonly ParameterGroup[], options: OptimizerOptions) {
    if (groups.length === 0)
      throw new ConfigError('optimizer: expected at least one trainable parameter, got none. Everything is frozen.')
    this.#names = groups.flatMap(({ parameters }) => [...parameters.keys()])
    this.#native = new NativeOptimizer(
      options.optimizer,
      groups.map((group) => ({ ...group })),
      options.optimizer === 'sgd'
        ? { momentum: options.momentum, nesterov: options.nesterov && options.momentum > 0 }
        : { beta1: options.beta1, beta2: options.beta2 },
    )
  }

  /** One update at the schedule's rate for this step. */
  step(learningRate: number): Promise<void> {
    return this.#native.step(learningRate)
  }

  zeroGrad(): Promise<void> {
    return this.#native.zeroGrad()
  }

  /** Scales the gradients down to a global L2 norm of `maxNorm` (0: only measures). Returns the norm before; may be NaN or ∞. */
  clipGradNorm(maxNorm: number): Promise<number> {
    return this.#native.clipGradNorm(maxNorm)
  }

  /** Slots by "<slot>.<parameter>", e.g. "exp_avg.backbone.conv1.weight", and "step". */
  state(): Promise<Map<string, Tensor>> {
    return this.#native.state()
  }

  /** @throws {SnapshotError} naming what is missing, surplus or of another shape; changes nothing then */
  loadState(state: ReadonlyMap<string, Tensor>): Promise<void> {
    return this.#native.loadState(state)
  }

  /** Takes over the state of the parameters that both move; those that are new here start afresh. */
  async inherit(previous: Optimizer): Promise<void> {
    await torch.scope(async () => {
      const [own, theirs] = [await this.state(), await previous.state()]
      const counts = new Map<string, bigint>()
      const given = theirs.get(stepsKey)?.data() as BigInt64Array | undefined
      for (const [index, name] of previous.#names.entries()) counts.set(name, given?.[index] ?? 0n)
      const steps = BigInt64Array.from(this.#names, (name) => counts.get(name) ?? 0n)
      const merged = new Map([...own].map(([key, fresh]) => [key, theirs.get(key) ?? fresh]))
      await this.loadState(merged.set(stepsKey, torch.tensor(steps, { dtype: 'int64' })))
    })
  }
}

const stepsKey = 'step'
