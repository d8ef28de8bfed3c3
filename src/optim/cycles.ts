/** Snapshot ensembles (Huang et al. 2017, https://arxiv.org/abs/1704.00109): the weights at the end of each cycle of cosine_restarts. */

export interface CycleOptions {
  /** whole epochs in front of the first cycle */
  readonly warmupEpochs: number
  /** of the first cycle, whole */
  readonly cycleEpochs: number
  /** how much longer each cycle is than the one before, whole */
  readonly cycleMultiplier: number
}

/** Which cycle, counted from 1, is over when `epoch` epochs are; 0 for an epoch within a cycle. */
export function cycleEndedAt(epoch: number, { warmupEpochs, cycleEpochs, cycleMultiplier }: CycleOptions): number {
  let [cycle, end, length] = [1, warmupEpochs + cycleEpochs, cycleEpochs]
  while (end < epoch) {
    cycle += 1
    length *= cycleMultiplier
    end += length
  }
  return end === epoch ? cycle : 0
}
