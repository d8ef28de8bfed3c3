/**
 * Learning-rate schedules as pure functions of the step, so that a resume has nothing to restore.
 *
 * Cosine: Loshchilov and Hutter 2016 (SGDR), eq. 5, without restarts. https://arxiv.org/abs/1608.03983
 */
export interface Schedule {
  readonly kind: 'cosine' | 'constant'
  /** peak, reached at the end of the warm-up */
  readonly learningRate: number
  /** linear from learningRate / warmupSteps at step 0; 0 for none */
  readonly warmupSteps: number
  readonly totalSteps: number
  /** cosine ends at this fraction of the peak */
  readonly finalFraction: number
}

/** Learning rate of the update number `step`, counted from 0. */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { learningRate, warmupSteps, totalSteps, finalFraction } = schedule
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps
  if (schedule.kind === 'constant') return learningRate
  const decaySteps = Math.max(1, totalSteps - warmupSteps)
  const progress = Math.min(1, (step - warmupSteps) / decaySteps)
  const floor = learningRate * finalFraction
  return floor + (learningRate - floor) * 0.5 * (1 + Math.cos(Math.PI * progress))
}
