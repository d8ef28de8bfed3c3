/** What a user of the loop can hook into it: a callback is told of every step and epoch, and may change the course. */
import type { EpochRecord } from '../tracking/index.ts'

export interface StepEvent {
  readonly step: number
  readonly totalSteps: number
  readonly epoch: number
  readonly totalEpochs: number
  /** images of the step, all its batches together */
  readonly samples: number
  readonly loss: number
  readonly parts: Readonly<Record<string, number>>
  readonly learningRate: number
  /** not finite where the loss scaler left the step out */
  readonly gradientNorm: number
}

/** The course of the training that calls. All of it is saved with snapshots, so that a resumed run goes on alike. */
export interface TrainingControl {
  /** what the schedule's learning rate is multiplied by; 1 unless a callback changed it */
  readonly learningRateScale: number
  /** Multiplies the learning rate of all later steps. @throws {ConfigError} when `factor` is not a positive number */
  scaleLearningRate(factor: number): void
  /** Weights, their average and the optimizer as the best snapshot has them; counters and schedule go on. False: there is none yet. */
  restoreBest(): Promise<boolean>
  /** Lengthens the training, and stretches its schedule, by whole epochs. @throws {ConfigError} when `epochs` is not a positive whole number */
  extend(epochs: number): void
  /** Ends the training well: the epoch is closed (a step's callback cuts it short), validated and saved, and the next phase begins. */
  stop(reason: string): void
}

/** One or more of its functions; a promise is waited for. What one throws ends the training. */
export interface Callback {
  /** for messages, and the key of what it keeps in snapshots: unique among a run's callbacks that keep something */
  readonly name: string
  /** Before the first step of a phase, also of a resumed one. */
  onStart?(start: { readonly phase: string; readonly epochs: number }): void | Promise<void>
  onStepEnd?(event: StepEvent, control: TrainingControl): void | Promise<void>
  /** After validation, before the epoch's snapshot. */
  onEpochEnd?(record: EpochRecord, control: TrainingControl): void | Promise<void>
  /** After onEpochEnd of all callbacks, when it is decided whether the training is over. */
  onEpochClosed?(record: EpochRecord, isLast: boolean): void | Promise<void>
  /** Whether the epoch is the best so far, asked before onEpochEnd; the first callback with an opinion decides, else `monitor` does. */
  isBest?(record: EpochRecord): boolean | Promise<boolean>
  /** What it keeps between epochs, as JSON and at once; given back to `restore` by a run that goes on. */
  state?(): unknown
  restore?(state: unknown): void | Promise<void>
}
