/** Finds the largest batch that fits, by doubling until one does not and then halving the gap. */

export interface BatchTrial {
  /** images of a batch, as trained: fewer than asked for where the data set has no more */
  readonly batchSize: number
  readonly fits: boolean
  /** of memory, at most; null where it did not get so far */
  readonly peakBytes: number | null
  /** of the last step; null where there was none */
  readonly imagesPerSecond: number | null
  /** why it does not fit; null where it does */
  readonly why: string | null
}

export interface BatchSearchOptions {
  /** the first one tried */
  readonly start: number
  /** no larger one is tried */
  readonly maximum: number
  readonly measure: (batchSize: number) => Promise<BatchTrial>
}

/** @returns every trial in order; the largest that fits is the answer, and there may be none */
export async function searchBatchSize({ start, maximum, measure }: BatchSearchOptions): Promise<BatchTrial[]> {
  const trials: BatchTrial[] = []
  let fitting = 0
  let failing = maximum + 1
  let next = Math.min(start, maximum)
  while (next > fitting && next < failing) {
    const trial = await measure(next)
    trials.push(trial)
    if (!trial.fits) failing = next
    else if (trial.batchSize < next)
      break // the whole data set
    else fitting = next
    next = trials.some(({ fits }) => !fits) ? between(fitting, failing) : Math.min(maximum, 2 * next)
  }
  return trials
}

/** The middle, in steps that suit the size; the lower end where nothing is left to try. */
function between(fitting: number, failing: number): number {
  if (fitting === 0) return Math.floor(failing / 2)
  const step = fitting >= 64 ? 8 : fitting >= 16 ? 4 : 1
  if (failing - fitting <= step) return fitting
  return Math.max(fitting + 1, Math.floor((fitting + failing) / 2 / step) * step)
}
