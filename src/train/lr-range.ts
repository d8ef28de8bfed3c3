/**
 * The learning-rate range test (Smith 2015, https://arxiv.org/abs/1506.01186, section 3.3) as a callback: the rate grows from step to step by
 * one factor, and the loss tells where it learns fastest and where it breaks. The caller ends the training when `isOver`.
 */
import type { Callback, StepEvent, TrainingControl } from './callback.ts'

export interface LrRangeOptions {
  /** rate of the last step over that of the first, > 1 */
  readonly span: number
  /** ≥ 2 */
  readonly steps: number
}

export interface LrRangePoint {
  readonly learningRate: number
  readonly loss: number
  /** running mean of the losses, corrected for its beginning */
  readonly smoothed: number
}

export interface LrRangeResult {
  readonly points: readonly LrRangePoint[]
  /** where the smoothed loss falls most steeply over the logarithm of the rate; null when it never falls */
  readonly steepest: number | null
  /** where the smoothed loss is lowest */
  readonly lowest: number | null
}

/** Weight of what came before in the running mean. */
const memory = 0.9
/** A smoothed loss of so many times the lowest one has diverged. */
const diverged = 4
/** Steps at either end whose slope is mostly noise. */
const margin = 5

export class LrRange implements Callback {
  readonly name = 'lr-find'
  readonly #options: LrRangeOptions
  readonly #points: LrRangePoint[] = []
  #mean = 0
  #diverged = false

  constructor(options: LrRangeOptions) {
    this.#options = options
  }

  onStepEnd({ loss, learningRate }: StepEvent, control: TrainingControl): void {
    this.#mean = memory * this.#mean + (1 - memory) * loss
    const smoothed = this.#mean / (1 - memory ** (this.#points.length + 1))
    this.#points.push({ learningRate, loss, smoothed })
    const lowest = Math.min(...this.#points.map((point) => point.smoothed))
    // A contrastive loss may begin near 0; four times of nothing is no divergence.
    this.#diverged = this.#points.length > margin && smoothed > diverged * Math.max(lowest, 1e-3)
    if (!this.isOver) control.scaleLearningRate(this.#options.span ** (1 / (this.#options.steps - 1)))
  }

  /** All steps are done, or the loss has diverged: what follows would tell nothing. */
  get isOver(): boolean {
    return this.#diverged || this.#points.length >= this.#options.steps
  }

  get result(): LrRangeResult {
    const points = [...this.#points]
    // Behind the lowest loss a fall is only the way back from a jump.
    const end = points.reduce(
      (best, { smoothed }, i) => (smoothed < (points[best]?.smoothed ?? Infinity) ? i : best),
      0,
    )
    let steepest: number | null = null
    // A fall of less than a millionth of the loss is rounding.
    let slope = -1e-6 * Math.abs(points[0]?.smoothed ?? 0)
    for (let i = Math.min(margin, Math.floor(points.length / 4)); i + 2 <= end; i++) {
      const [from, at, to] = [points[i], points[i + 1], points[i + 2]]
      if (from === undefined || at === undefined || to === undefined) break
      const own = (to.smoothed - from.smoothed) / Math.log(to.learningRate / from.learningRate)
      if (own < slope) [slope, steepest] = [own, at.learningRate]
    }
    return { points, steepest, lowest: points[end]?.learningRate ?? null }
  }
}
