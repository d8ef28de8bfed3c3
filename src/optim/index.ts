export { cycleEndedAt, type CycleOptions } from './cycles.ts'
export { durationInSteps, type Duration, type StepSize } from './duration.ts'
export { emaDecayAt, swaDecayAt, WeightAverage } from './ema.ts'
export { scalerAfter, scalerStart, scalerVerdict, type ScalerState } from './loss-scaler.ts'
export {
  Optimizer,
  optimizerKinds,
  optimizerReads,
  type LookaheadOptions,
  type OptimizerKind,
  type OptimizerOptions,
  type SamOptions,
} from './optimizer.ts'
export { layerOf, parameterGroups, type GroupOptions, type NamedPart, type ParameterGroup } from './parameter-groups.ts'
export { plateauAfter, plateauStart, type PlateauOptions, type PlateauState } from './plateau.ts'
export {
  kindsWithAnEnd,
  scheduleInSteps,
  scheduleOptions,
  scheduleSchema,
  type ScheduleOptions,
} from './schedule-options.ts'
export { learningRateAt, scheduleKinds, type Schedule, type ScheduleKind } from './schedule.ts'
