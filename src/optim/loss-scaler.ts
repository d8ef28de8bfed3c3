/**
 * The factor on the loss that keeps float16's small gradients from vanishing (Micikevicius et al. 2017, arXiv 1710.03740), adjusted as torch's
 * GradScaler does: halved by a step whose gradients overflow, which is left out; doubled after 2,000 steps without one.
 */
export interface ScalerState {
  readonly scale: number
  /** steps since the last overflow or doubling */
  readonly good: number
  /** steps left out one after the other */
  readonly skipped: number
}

export const scalerStart: ScalerState = { scale: 65536, good: 0, skipped: 0 }

const growthInterval = 2000
/** With a scale below 1, or after so many overflows in a row, training has diverged. */
const smallestScale = 1
const longestSkip = 50

export function scalerAfter(state: ScalerState, overflowed: boolean): ScalerState {
  if (overflowed) return { scale: state.scale / 2, good: 0, skipped: state.skipped + 1 }
  const good = state.good + 1
  // 2^24 is as far as float32 counts; a larger scale would gain nothing.
  if (good < growthInterval || state.scale >= 2 ** 24) return { scale: state.scale, good, skipped: 0 }
  return { scale: state.scale * 2, good: 0, skipped: 0 }
}

/** Why training must stop, in words; null while it may go on. */
export function scalerVerdict({ scale, skipped }: ScalerState): string | null {
  if (scale < smallestScale) return `the loss scale fell to ${scale}, below ${smallestScale}`
  if (skipped >= longestSkip) return `${skipped} steps in a row overflowed (loss scale ${scale})`
  return null
}
