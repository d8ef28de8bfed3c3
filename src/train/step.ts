/**
 * One optimizer step over one batch or several (accumulation), in this order:
 *
 *   for each batch: seed draws → forward and loss → finite? → backward of loss · share · loss scale   (captured: all but the seed is one launch)
 *   SAM: ascend with one norm over all groups → the same batches with the same draws, running statistics set back before and after
 *   back from the ascent → unscale → centralise → norm, finite? → clip → update → Lookahead's pull → average → gradients to none
 *
 * docs/training.md says why. Everything up to the pull is one native call.
 */
import { torch, type ClipMode } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import {
  Optimizer,
  parameterGroups,
  type GroupOptions,
  type LookaheadOptions,
  type OptimizerOptions,
  type SamOptions,
  type WeightAverage,
} from '../optim/index.ts'
import { CapturedPasses, type PassGraph } from './captured-pass.ts'
import { heldState, type HeldState } from './held-state.ts'
import { originOfGradient, originOfLoss } from './non-finite-origin.ts'
import { EagerPasses, type Passes } from './pass.ts'
import type { Networks, TrainingTask } from './task.ts'

export interface StepOptions {
  readonly seed: number
  readonly optimizer: OptimizerOptions & GroupOptions
  readonly clip: { readonly mode: ClipMode; readonly limit: number }
  readonly sam: SamOptions | null
  readonly lookahead: LookaheadOptions | null
  /** a step that failed or was not finite leaves no trace: running statistics and what the task remembers are put back too */
  readonly holds: boolean
}

export interface StepRequest {
  readonly batches: readonly Batch[]
  /** steps taken before: the key of all draws */
  readonly step: number
  readonly learningRate: number
  /** multiplies the loss; 1 but for float16 */
  readonly lossScale: number
  /** updates since Lookahead's last pull */
  readonly sincePull: number
  /** decay of the average's update; null: it is not updated by steps */
  readonly averageDecay: number | null
}

export interface StepResult {
  /** means over all images; of SAM's first pass */
  readonly loss: number
  readonly parts: Readonly<Record<string, number>>
  readonly correct: number | null
  readonly samples: number
  /** unscaled and centralised, before clipping; at the ascended weights with SAM */
  readonly gradientNorm: number
  /** what was not finite, so that no weight was touched */
  readonly broken: 'loss' | 'gradient norm' | null
  /** the number that was not finite, else the loss */
  readonly value: number
  /** where it comes from, in words; "" when nothing broke or nothing is known */
  readonly origin: string
  readonly sincePull: number
}

interface PassResult {
  loss: number
  readonly parts: Record<string, number>
  correct: number | null
  readonly samples: number
  finite: boolean
}

export class Stepper {
  readonly #options: StepOptions
  readonly #task: TrainingTask
  readonly #networks: Networks
  readonly #average: WeightAverage | null
  readonly #captures: boolean
  readonly #passes: Passes
  optimizer: Optimizer
  #isUpdating = false

  constructor(
    options: StepOptions,
    parts: {
      readonly task: TrainingTask
      readonly networks: Networks
      readonly average: WeightAverage | null
      /** passes are captured on what it makes; null: they run eagerly */
      readonly graphs?: (() => PassGraph) | null
    },
  ) {
    this.#options = options
    this.#task = parts.task
    this.#networks = parts.networks
    this.#average = parts.average
    const { task, networks, graphs = null } = parts
    this.#captures = graphs !== null
    this.#passes = graphs === null ? new EagerPasses(task, networks) : new CapturedPasses(task, networks, graphs)
    this.optimizer = this.#makeOptimizer()
  }

  #makeOptimizer(): Optimizer {
    const { optimizer, lookahead } = this.#options
    const made = torch.scope(
      () =>
        new Optimizer(parameterGroups(this.#task.trainable(this.#networks), optimizer), optimizer, lookahead !== null),
    )
    // Takes its turn before the first pass; nothing can fail there.
    if (this.#captures) void made.keepGradients(true)
    return made
  }

  /** The optimizer learns of parameters that were frozen until now; those it had keep their state. */
  async renewOptimizer(): Promise<void> {
    const previous = this.optimizer
    await this.#passes.renew()
    this.optimizer = this.#makeOptimizer()
    await this.optimizer.inherit(previous)
  }

  /** Frees what was captured. */
  dispose(): void {
    // Behind the work that was asked for; what fails then goes with the device.
    this.#passes.renew().catch(() => undefined)
  }

  /** whether the last step has begun to change weights; one that failed before can be tried again */
  get isUpdating(): boolean {
    return this.#isUpdating
  }

  async step(request: StepRequest): Promise<StepResult> {
    const { sam, holds } = this.#options
    this.#isUpdating = false
    const before = sam === null && !holds ? null : await heldState(this.#networks, this.#task)
    try {
      return await this.#step(request, before)
    } catch (error) {
      await this.optimizer.descend() // what follows may save the weights
      await this.optimizer.zeroGrad()
      await before?.putBack()
      throw error
    }
  }

  async #step(request: StepRequest, before: HeldState | null): Promise<StepResult> {
    const { sam, lookahead, clip } = this.#options
    const { learningRate, lossScale, sincePull, averageDecay } = request
    const pass = await this.#pass(request)
    const { loss, parts, correct, samples } = pass
    const done = { loss, parts, correct, samples, sincePull }
    const broken = async (what: 'loss' | 'gradient norm', value: number, of: PassResult): Promise<StepResult> => {
      await this.optimizer.descend()
      const { batches } = request
      const origin =
        what === 'loss'
          ? originOfLoss(batches, this.#networks, of.parts)
          : originOfGradient(this.#task, this.#networks, this.#options.optimizer)
      await this.optimizer.zeroGrad()
      await before?.putBack()
      return { ...done, gradientNorm: what === 'loss' ? NaN : value, broken: what, value, origin }
    }
    if (!pass.finite) return broken('loss', loss, pass)
    if (sam !== null && before !== null) {
      const after = await heldState(this.#networks, this.#task)
      const norm = await this.optimizer.ascend(sam, 1 / lossScale)
      if (!Number.isFinite(norm)) return broken('gradient norm', norm, pass)
      await before.putBack()
      const second = await this.#pass(request)
      await after.putBack()
      if (!second.finite) return broken('loss', second.loss, second)
    }
    this.#isUpdating = true
    const pulls = lookahead !== null && sincePull + 1 >= lookahead.k
    const average = averageDecay === null ? null : this.#average
    const { gradientNorm, applied } = await this.optimizer.update({
      learningRate,
      gradientScale: 1 / lossScale,
      clip: clip.mode,
      clipLimit: clip.limit,
      average: pulls ? null : (average?.native ?? null),
      averageDecay: averageDecay ?? 0,
    })
    if (!applied) return broken('gradient norm', gradientNorm, pass)
    if (pulls) {
      await this.pull()
      await average?.update(averageDecay ?? 0)
    }
    const since = lookahead === null || pulls ? 0 : sincePull + 1
    return { ...done, gradientNorm, broken: null, value: loss, origin: '', sincePull: since }
  }

  /** Lookahead: the slow weights go towards the fast ones, which become them. */
  async pull(): Promise<void> {
    const { lookahead } = this.#options
    if (lookahead !== null) await this.optimizer.pullSlowWeights(lookahead.alpha)
  }

  /** Gradients of the mean loss over all images of the batches, times the loss scale. */
  async #pass({ batches, step, lossScale }: StepRequest): Promise<PassResult> {
    const samples = batches.reduce((sum, { size }) => sum + size, 0)
    const result: PassResult = { loss: 0, parts: {}, correct: null, samples, finite: true }
    for (const [index, batch] of batches.entries()) {
      // Keyed by the step, so that dropout of a resumed run, and of SAM's second pass, draws what it would have drawn.
      torch.manualSeed(drawKey(this.#options.seed, step, index))
      const share = batch.size / samples
      const { loss, parts, correct } = await this.#passes.run(batch, share * lossScale)
      result.loss += loss * share
      result.finite = Number.isFinite(loss)
      for (const [name, value] of Object.entries(parts)) result.parts[name] = (result.parts[name] ?? 0) + value * share
      if (!result.finite) return result
      if (correct !== null) result.correct = (result.correct ?? 0) + correct
    }
    return result
  }
}

/** A generator seed for each batch of each step of each run; LibTorch's generator reads the lower 32 bits. */
function drawKey(seed: number, step: number, index: number): number {
  const key = seed * 2 ** 20 + step
  return index === 0 ? key : (key + index * 0x9e3779b1) % Number.MAX_SAFE_INTEGER
}
