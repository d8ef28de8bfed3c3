/**
 * Learning-rate schedules as pure functions of the step, so that a resume has nothing to restore.
 *
 * Cosine: Loshchilov and Hutter 2016 (SGDR), eq. 5, https://arxiv.org/abs/1608.03983; with restarts, each cycle by it. One cycle: Smith and
 * Topin 2017, https://arxiv.org/abs/1708.07120, as torch's OneCycleLR with cosines. The others as torch's StepLR, MultiStepLR,
 * ExponentialLR and PolynomialLR. `plateau` is constant here; what validation cuts it to stands in plateau.ts.
 */
export const scheduleKinds = [
  'cosine',
  'constant',
  'step',
  'multistep',
  'exponential',
  'polynomial',
  'cosine_restarts',
  'onecycle',
  'plateau',
] as const

export type ScheduleKind = (typeof scheduleKinds)[number]

export interface Schedule {
  readonly kind: ScheduleKind
  /** peak, reached at the end of the warm-up */
  readonly learningRate: number
  /** linear from 1 / warmupSteps of the rate that follows it; 0 for none */
  readonly warmupSteps: number
  readonly totalSteps: number
  /** the last rate, as a fraction of the peak: cosine, exponential, polynomial, each cycle of cosine_restarts, onecycle */
  readonly finalFraction: number
  /** step: steps between two cuts, counted from the first step of all */
  readonly every?: number
  /** multistep: steps before each cut, rising */
  readonly milestones?: readonly number[]
  /** step, multistep: what a cut leaves of the rate */
  readonly factor?: number
  /** polynomial */
  readonly power?: number
  /** cosine_restarts: steps of the first cycle, and how much longer and lower each next one is */
  readonly cycle?: number
  readonly cycleMultiplier?: number
  readonly cycleDecay?: number
  /** onecycle: share of the steps in which the rate rises, and where it begins, as a fraction of the peak */
  readonly riseFraction?: number
  readonly initialFraction?: number
}

/** Learning rate of the update number `step`, counted from 0. */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { learningRate, warmupSteps } = schedule
  if (step >= warmupSteps) return learningRate * fractionAt(schedule, step)
  return (learningRate * fractionAt(schedule, warmupSteps) * (step + 1)) / warmupSteps
}

/** Of the peak, behind the warm-up. */
function fractionAt(schedule: Schedule, step: number): number {
  const { kind, warmupSteps, totalSteps, finalFraction } = schedule
  const after = step - warmupSteps
  const length = Math.max(1, totalSteps - warmupSteps)
  const progress = Math.min(1, after / length)
  switch (kind) {
    case 'constant':
    case 'plateau':
      return 1
    case 'cosine':
      return between(finalFraction, 1, cosine(progress))
    case 'step':
      return (schedule.factor ?? 1) ** Math.floor(step / Math.max(1, schedule.every ?? totalSteps))
    case 'multistep':
      return (schedule.factor ?? 1) ** (schedule.milestones ?? []).filter((milestone) => milestone <= step).length
    case 'exponential':
      return finalFraction ** progress
    case 'polynomial':
      return between(finalFraction, 1, (1 - progress) ** (schedule.power ?? 1))
    case 'cosine_restarts':
      return restarted(schedule, after)
    case 'onecycle':
      return oneCycle(schedule, after, length)
  }
}

/** 1 at the beginning, 0 at the end. */
function cosine(progress: number): number {
  return 0.5 * (1 + Math.cos(Math.PI * progress))
}

function between(low: number, high: number, share: number): number {
  return low + (high - low) * share
}

function restarted({ cycle = 1, cycleMultiplier = 1, cycleDecay = 1, finalFraction }: Schedule, after: number): number {
  let length = Math.max(1, cycle)
  let start = 0
  let peak = 1
  while (after >= start + length) {
    start += length
    length *= cycleMultiplier
    peak *= cycleDecay
  }
  return between(Math.min(peak, finalFraction), peak, cosine((after - start) / length))
}

/** As torch's OneCycleLR: the peak at step rise · length − 1, the end at the last step. */
function oneCycle(schedule: Schedule, after: number, length: number): number {
  const { riseFraction = 0.3, initialFraction = 0.04, finalFraction } = schedule
  const top = riseFraction * length - 1
  if (after <= top) return between(initialFraction, 1, 1 - cosine(top <= 0 ? 1 : after / top))
  return between(finalFraction, 1, cosine(Math.min(1, (after - top) / Math.max(1e-9, length - 1 - top))))
}
