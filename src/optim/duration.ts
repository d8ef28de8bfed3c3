/** Lengths given in epochs, optimizer steps or examples, turned into steps. */
import { ConfigError } from '../util/errors.ts'

export interface Duration {
  readonly epochs: number | null
  readonly steps: number | null
  /** training images; each view of a picture is the same image */
  readonly examples?: number | null
}

/** What a step and an epoch are. */
export interface StepSize {
  /** optimizer steps in one epoch, ≥ 1 */
  readonly stepsPerEpoch: number
  /** images of a step, all its batches together */
  readonly examplesPerStep: number
}

/**
 * At most one of the three may be given; none is 0 steps. A fraction of an epoch is rounded to the nearest step, examples are rounded up.
 *
 * @param what names the option in the message
 */
export function durationInSteps(duration: Duration, size: StepSize, what: string): number {
  const { epochs, steps, examples = null } = duration
  const given = Object.entries({ epochs, steps, examples }).filter(([, value]) => value !== null)
  if (given.length > 1)
    throw new ConfigError(
      `${what}: only one of epochs, steps and examples can be given, got ${given.map(([key, value]) => `${key}=${value}`).join(' and ')}`,
    )
  if (steps !== null) return steps
  if (examples !== null) return Math.ceil(examples / size.examplesPerStep)
  return Math.round((epochs ?? 0) * size.stepsPerEpoch)
}
