/** The course of a training as its callbacks may change it, and as its snapshots keep it. */
import { ConfigError } from '../util/errors.ts'
import type { TrainingControl } from './callback.ts'

export class Control implements TrainingControl {
  readonly #stepsPerEpoch: number
  readonly restoreBest: () => Promise<boolean>
  #scale = 1
  #added = 0
  #stopReason: string | null = null

  constructor(stepsPerEpoch: number, restoreBest: () => Promise<boolean>) {
    this.#stepsPerEpoch = stepsPerEpoch
    this.restoreBest = restoreBest
  }

  get learningRateScale(): number {
    return this.#scale
  }

  /** steps beyond those that were planned */
  get addedSteps(): number {
    return this.#added
  }

  /** why a callback ended the training; null while none did */
  get stopReason(): string | null {
    return this.#stopReason
  }

  scaleLearningRate(factor: number): void {
    const scale = this.#scale * factor
    if (!(factor > 0) || !Number.isFinite(scale))
      throw new ConfigError(`training: expected a positive factor for the learning rate, got ${factor}.`)
    this.#scale = scale
  }

  extend(epochs: number): void {
    if (!Number.isSafeInteger(epochs) || epochs < 1)
      throw new ConfigError(`training: expected a positive whole number of further epochs, got ${epochs}.`)
    this.#added += epochs * this.#stepsPerEpoch
  }

  stop(reason: string): void {
    this.#stopReason ??= reason
  }

  /** Goes on as a snapshot has it. */
  resume(scale: number, addedSteps: number): void {
    this.#scale = scale
    this.#added = addedSteps
  }
}
