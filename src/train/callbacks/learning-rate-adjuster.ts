/**
 * Lowers the learning rate when the epochs stop getting better ("LRA"): by the accuracy in training while that is below a threshold,
 * by the validation loss afterwards. Without accuracies the loss counts from the start, without a validation part that of training.
 */
import { z } from 'zod'
import type { EpochRecord } from '../../tracking/index.ts'
import type { Logger } from '../../util/logger.ts'
import type { OptionShape } from '../../util/option-shape.ts'
import type { Callback, TrainingControl } from '../callback.ts'

export interface AdjusterOptions {
  /** accuracy in training, 0–1, from which on the validation loss counts */
  readonly threshold: number
  /** epochs without improvement before the rate is lowered */
  readonly patience: number
  /** of the learning rate, in (0, 1) */
  readonly factor: number
  /** restore weights, their average and the optimizer of the best epoch whenever the rate is lowered */
  readonly dwell: boolean
  /** reductions in a row without improvement after which training ends */
  readonly stopPatience: number
}

const shape: OptionShape<AdjusterOptions> = {
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.9)
    .describe('accuracy in training below which that accuracy is watched, and from which on the validation loss'),
  patience: z.number().int().positive().default(1).describe('epochs without improvement before the rate is lowered'),
  factor: z.number().gt(0).lt(1).default(0.5).describe('what the learning rate is multiplied by'),
  dwell: z.boolean().default(true).describe('go back to the best epoch’s weights and optimizer at each reduction'),
  stopPatience: z.number().int().positive().default(3).describe('reductions without improvement before training ends'),
}

export const adjusterOptionsSchema: z.ZodType<AdjusterOptions> = z.strictObject(shape)

interface Progress {
  readonly highestAccuracy: number | null
  readonly lowestLoss: number | null
  /** epochs without improvement since the last reduction */
  readonly waited: number
  /** reductions since the last improvement */
  readonly reductions: number
}

const progressSchema: z.ZodType<Progress> = z.object({
  highestAccuracy: z.number().nullable(),
  lowestLoss: z.number().nullable(),
  waited: z.number().int().min(0),
  reductions: z.number().int().min(0),
})

export class LearningRateAdjuster implements Callback {
  readonly name = 'lra'
  readonly #options: AdjusterOptions
  readonly #logger: Logger
  #progress: Progress = { highestAccuracy: null, lowestLoss: null, waited: 0, reductions: 0 }

  constructor(options: AdjusterOptions, logger: Logger) {
    this.#options = options
    this.#logger = logger
  }

  isBest(record: EpochRecord): boolean {
    const { highestAccuracy, lowestLoss } = this.#progress
    if (this.#watchesAccuracy(record)) return (record.train_accuracy ?? 0) > (highestAccuracy ?? -1)
    return lossOf(record) < (lowestLoss ?? Infinity)
  }

  async onEpochEnd(record: EpochRecord, control: TrainingControl): Promise<void> {
    const improved = this.isBest(record)
    const { highestAccuracy, lowestLoss, waited, reductions } = this.#progress
    const loss = lossOf(record)
    this.#progress = {
      highestAccuracy: largest(highestAccuracy, record.train_accuracy),
      // One that is not finite would never be undercut.
      lowestLoss: Number.isFinite(loss) ? Math.min(lowestLoss ?? loss, loss) : lowestLoss,
      waited: improved ? 0 : waited + 1,
      reductions: improved ? 0 : reductions,
    }
    if (!improved && this.#progress.waited >= this.#options.patience) await this.#reduce(record, control)
  }

  state(): Progress {
    return this.#progress
  }

  restore(state: unknown): void {
    this.#progress = progressSchema.parse(state)
  }

  #watchesAccuracy({ train_accuracy: accuracy }: EpochRecord): boolean {
    return accuracy !== null && accuracy < this.#options.threshold
  }

  async #reduce(record: EpochRecord, control: TrainingControl): Promise<void> {
    const { factor, dwell, stopPatience, patience } = this.#options
    const reductions = this.#progress.reductions + 1
    this.#progress = { ...this.#progress, waited: 0, reductions }
    const watched = this.#watchesAccuracy(record) ? 'accuracy in training' : 'loss'
    if (reductions >= stopPatience)
      return control.stop(`the ${watched} did not improve after ${stopPatience - 1} reductions of the learning rate`)
    control.scaleLearningRate(factor)
    const restored = dwell && (await control.restoreBest())
    this.#logger.info(
      `${record.phase} epoch ${record.epoch}: no better ${watched} in ${patience} epoch${patience === 1 ? '' : 's'}: learning rate × ${factor}` +
        (restored ? ', back to the best epoch’s weights' : ''),
    )
  }
}

function lossOf({ val_loss: validation, train_loss: training }: EpochRecord): number {
  return validation ?? training
}

function largest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
