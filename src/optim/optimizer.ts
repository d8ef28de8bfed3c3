/**
 * Optimizers, updated natively: SGD with Nesterov momentum (Sutskever et al. 2013), AdamW (arXiv 1711.05101), LAMB (arXiv 1904.00962), Lion
 * (arXiv 2302.06675), Muon (Jordan et al. 2024); with SAM or ASAM around them (arXiv 2010.01412, 2102.11600) and Lookahead behind them
 * (arXiv 1907.08610).
 */
import { NativeOptimizer, torch, type NativeUpdate, type Tensor } from '../binding/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { ParameterGroup } from './parameter-groups.ts'

export const optimizerKinds = ['adamw', 'sgd', 'lamb', 'lion', 'muon'] as const
export type OptimizerKind = (typeof optimizerKinds)[number]

/** null leaves the optimizer's own default. */
export interface OptimizerOptions {
  readonly optimizer: OptimizerKind
  readonly momentum: number | null
  readonly nesterov: boolean | null
  readonly beta1: number | null
  readonly beta2: number | null
}

/** Which of the options each optimizer reads. */
export const optimizerReads: Readonly<Record<OptimizerKind, readonly (keyof OptimizerOptions)[]>> = {
  adamw: ['beta1', 'beta2'],
  sgd: ['momentum', 'nesterov'],
  lamb: ['beta1', 'beta2'],
  lion: ['beta1', 'beta2'],
  muon: ['momentum', 'nesterov', 'beta1', 'beta2'],
}

export interface SamOptions {
  /** length of the ascent; 0.05 is usual, and 10 to 40 times that when it is adaptive */
  readonly rho: number
  /** ASAM: the ascent is scaled by the size of each weight */
  readonly adaptive: boolean
  /** ASAM: added to the size of each weight */
  readonly eta: number
}

export interface LookaheadOptions {
  /** updates between two pulls */
  readonly k: number
  /** how far the slow weights go towards the fast ones */
  readonly alpha: number
}

export class Optimizer {
  readonly #native: NativeOptimizer
  /** in the order of the groups, which is the order of the step counts */
  readonly #names: readonly string[]

  /** @param keepSlowWeights for Lookahead: they begin as the weights are now */
  constructor(groups: readonly ParameterGroup[], options: OptimizerOptions, keepSlowWeights = false) {
    if (groups.length === 0)
      throw new ConfigError('optimizer: expected at least one trainable parameter, got none. Everything is frozen.')
    this.#names = groups.flatMap(({ parameters }) => [...parameters.keys()])
    this.#native = new NativeOptimizer(
      options.optimizer,
      groups.map((group) => ({ ...group })),
      ruleOptions(options),
      keepSlowWeights,
    )
  }

  /** One update at the schedule's rate for this step. */
  step(learningRate: number): Promise<void> {
    return this.#native.step(learningRate)
  }

  /**
   * Back from SAM's ascent → unscale → centralise → norm, finite? → clip → update → average → gradients to none. `applied` is false, and no
   * weight was touched, where the norm is not finite.
   */
  update(request: NativeUpdate): Promise<{ gradientNorm: number; applied: boolean }> {
    return this.#native.update(request)
  }

  /** SAM's ascent from the gradients that are there. The norm is not finite where nothing was moved. */
  ascend(sam: SamOptions, gradientScale: number): Promise<number> {
    return this.#native.ascend({ ...sam, gradientScale })
  }

  /** Back from the ascent without an update. */
  descend(): Promise<void> {
    return this.#native.descend()
  }

  pullSlowWeights(alpha: number): Promise<void> {
    return this.#native.pullSlowWeights(alpha)
  }

  /** Whether gradients stay where they are and are set to 0 instead of none. */
  keepGradients(keep: boolean): Promise<void> {
    return this.#native.keepGradients(keep)
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

/** nesterov is the default of sgd with a momentum. */
function ruleOptions({
  optimizer,
  momentum,
  nesterov,
  beta1,
  beta2,
}: OptimizerOptions): Record<string, number | boolean> {
  const values = {
    momentum: momentum ?? (optimizer === 'sgd' ? 0.9 : null),
    nesterov: optimizer === 'sgd' ? (nesterov ?? true) && momentum !== 0 : nesterov,
    beta1,
    beta2,
  }
  return Object.fromEntries(
    optimizerReads[optimizer].flatMap((key) => {
      const value = values[key as keyof typeof values]
      return value === null ? [] : [[key, value]]
    }),
  )
}
