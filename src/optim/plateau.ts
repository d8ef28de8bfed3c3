/** Cuts the learning rate when the monitored number stops improving, as torch's ReduceLROnPlateau with a relative threshold. */
export interface PlateauOptions {
  /** what a cut leaves of the rate */
  readonly factor: number
  /** epochs without improvement that are waited out; the one after them cuts */
  readonly patience: number
  /** relative change that counts as improvement */
  readonly threshold: number
  /** the rate is cut no further than this fraction of the schedule's */
  readonly floor: number
}

export interface PlateauState {
  readonly best: number | null
  readonly waited: number
  /** what is left of the schedule's rate */
  readonly fraction: number
}

export const plateauStart: PlateauState = { best: null, waited: 0, fraction: 1 }

/** @param value of the epoch that ended; NaN and null are no improvement @param direction whether more is better */
export function plateauAfter(
  state: PlateauState,
  value: number | null,
  direction: 'higher' | 'lower',
  options: PlateauOptions,
): PlateauState {
  const { best } = state
  const improved =
    value !== null &&
    Number.isFinite(value) &&
    (best === null ||
      (direction === 'higher' ? value > best * (1 + options.threshold) : value < best * (1 - options.threshold)))
  if (improved) return { ...state, best: value, waited: 0 }
  const waited = state.waited + 1
  if (waited <= options.patience) return { ...state, waited }
  return { ...state, waited: 0, fraction: Math.max(options.floor, state.fraction * options.factor) }
}
