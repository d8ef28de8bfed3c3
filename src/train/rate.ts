/** The learning rate of each step: schedule, cuts of a plateau, and the constant rate under a mean of weights. */
import {
  learningRateAt,
  plateauAfter,
  scheduleInSteps,
  scheduleOptions,
  type PlateauOptions,
  type PlateauState,
  type Schedule,
  type ScheduleOptions,
  type StepSize,
} from '../optim/index.ts'
import { ConfigError } from '../util/errors.ts'
import type { Monitor } from './best-epoch.ts'
import type { TrainingState } from './state.ts'
import type { TrainingTask, Validation } from './task.ts'

/** A schedule as it is written, its peak, and where it ends as a fraction of that. */
export type RateOptions = Pick<Schedule, 'kind' | 'learningRate' | 'finalFraction'> & Partial<ScheduleOptions>

export interface RateParts {
  readonly task: TrainingTask
  readonly size: StepSize
  readonly totalSteps: number
  readonly warmupSteps: number
  readonly swa: { readonly start: number; readonly lrFraction: number | null } | null
  readonly monitor: Monitor
}

export class Rate {
  /** callbacks may add to them */
  readonly plannedSteps: number
  readonly #schedule: Schedule
  readonly #plateau: PlateauOptions | null
  readonly #parts: RateParts

  /** @throws {ConfigError} when a plateau has nothing to watch, or a length is no step */
  constructor(options: RateOptions, parts: RateParts) {
    const { totalSteps, warmupSteps, task } = parts
    const { learningRate, finalFraction, ...rest } = options
    const full: ScheduleOptions = { ...scheduleOptions(rest.kind), ...rest }
    this.#parts = parts
    this.plannedSteps = totalSteps
    this.#schedule = {
      ...scheduleInSteps(full, parts.size, `${task.name}.schedule`),
      learningRate,
      finalFraction,
      totalSteps,
      warmupSteps,
    }
    this.#plateau =
      full.kind === 'plateau'
        ? {
            factor: full.factor ?? 0.1,
            patience: full.patience ?? 10,
            threshold: full.threshold ?? 1e-4,
            floor: finalFraction,
          }
        : null
    if (this.#plateau !== null && task.validate === null)
      throw new ConfigError(
        `${task.name}.schedule: plateau watches the validation part, and there is none. ` +
          'Set data.validation_fraction and use_validation, or use another schedule.',
      )
  }

  /** Whether the mean of weights has begun after `step` of `totalSteps` steps. */
  isAveraging(step: number, totalSteps: number): boolean {
    const { swa } = this.#parts
    return swa !== null && step > swa.start * totalSteps
  }

  /** @param totalSteps those planned, and those that callbacks added: the schedule is stretched by them */
  at({ step, updates, plateau }: Pick<TrainingState, 'step' | 'updates' | 'plateau'>, totalSteps: number): number {
    const { swa } = this.#parts
    if (swa !== null && swa.lrFraction !== null && step >= swa.start * totalSteps)
      return this.#schedule.learningRate * swa.lrFraction
    return learningRateAt({ ...this.#schedule, totalSteps }, updates) * plateau.fraction
  }

  plateauAfter(state: PlateauState, validation: Validation): PlateauState {
    if (this.#plateau === null) return state
    return this.#parts.monitor === 'accuracy' && validation.accuracy !== null
      ? plateauAfter(state, validation.accuracy, 'higher', this.#plateau)
      : plateauAfter(state, validation.loss, 'lower', this.#plateau)
  }
}
