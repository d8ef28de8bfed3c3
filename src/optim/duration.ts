/** Lengths given in epochs or in optimizer steps, turned into steps. */
import { ConfigError } from '../util/errors.ts'

export interface Duration {
  readonly epochs: number | null
  readonly steps: number | null
}

/**
 * Exactly one of the two may be given. A fraction of an epoch is rounded to the nearest step.
 *
 * @param stepsPerEpoch optimizer steps in one epoch, ≥ 1
 * @param what names the option in the message
 */
export function durationInSteps(duration: Duration, stepsPerEpoch: number, what: string): number {
  if (duration.epochs !== null && duration.steps !== null)
    throw new ConfigError(
      `${what}: only one of epochs and steps can be given, got epochs=${duration.epochs} and steps=${duration.steps}`,
    )
  if (duration.steps !== null) return duration.steps
  return Math.round((duration.epochs ?? 0) * stepsPerEpoch)
}
