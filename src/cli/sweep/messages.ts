/** What the sweep and the process of a trial say to each other. */
import type { ConfigRequest } from '../../config/index.ts'
import type { RunPaths } from '../../phases/index.ts'
import type { EpochRecord } from '../../tracking/index.ts'
import type { FailureKind } from '../../sweep/index.ts'

/** To the process, once. */
export interface TrialJob {
  readonly request: ConfigRequest
  readonly run: RunPaths
  /** where predecessors' snapshots are */
  readonly parentRun: RunPaths | null
  /** go on with what the run has already */
  readonly resume: boolean
  /** time the exported model at the end */
  readonly measureLatency: boolean
}

export type TrialMessage =
  /** isLast: the phase is over */
  | { readonly kind: 'epoch'; readonly record: EpochRecord; readonly isLast: boolean }
  | {
      readonly kind: 'result'
      readonly outcome: 'finished' | 'interrupted'
      readonly metrics: Readonly<Record<string, number>>
    }
  /** disk: the place could not be written, whatever the parameters are */
  | { readonly kind: 'error'; readonly failure: FailureKind | 'disk'; readonly message: string }
