/** What the training loop is given and what it gives back. */
import type { ClipMode } from '../binding/index.ts'
import type { Loader } from '../data/index.ts'
import type { Duration, GroupOptions, LookaheadOptions, OptimizerOptions, SamOptions } from '../optim/index.ts'
import type { Snapshot, Snapshots } from '../snapshot/index.ts'
import type { Logger } from '../util/logger.ts'
import type { Monitor } from './best-epoch.ts'
import type { Callback } from './callback.ts'
import type { PassGraph } from './captured-pass.ts'
import type { NonFiniteOptions } from './non-finite.ts'
import type { RateOptions } from './rate.ts'
import type { TrainingState } from './state.ts'
import type { Networks, TrainingTask } from './task.ts'

export interface SwaOptions {
  /** share of the steps after which the weights at the end of each epoch are averaged */
  readonly start: number
  /** the learning rate from then on, as a fraction of the peak; null: the schedule's */
  readonly lrFraction: number | null
  /** training batches that the batch norms of the mean are estimated from */
  readonly statisticsBatches: number
}

export interface LoopOptions {
  readonly duration: Duration
  readonly warmup: Duration
  readonly schedule: RateOptions
  readonly optimizer: OptimizerOptions & GroupOptions
  /** largest global gradient norm, magnitude, or ratio to the weights; 0 does not clip */
  readonly gradClip: number
  /** default norm */
  readonly gradClipMode?: Exclude<ClipMode, 'none'>
  /** batches of a step; default 1 */
  readonly accumulation?: number
  readonly sam?: SamOptions | null
  readonly lookahead?: LookaheadOptions | null
  /** takes the place of the exponential average */
  readonly swa?: SwaOptions | null
  /** of the backbone; float16 scales the loss. Default float32 */
  readonly precision?: 'float32' | 'bfloat16' | 'float16'
  /** largest decay of the weight average; used when there are averaged networks */
  readonly emaDecay: number
  readonly monitor: Monitor
  /** epochs without improvement before stopping; null never stops early */
  readonly patience: number | null
  /** epochs between snapshots; the best and the last epoch are always kept */
  readonly snapshotEvery: number
  /** after so many minutes without one, a snapshot in the middle of an epoch; default 0, never */
  readonly snapshotMinutes?: number
  /** images that go through the network at once; auto: fewer when memory runs out; default null: the whole batch */
  readonly microBatch?: number | 'auto' | null
  /** default: abort */
  readonly nonFinite?: NonFiniteOptions
  readonly seed: number
}

export interface LoopParts {
  readonly task: TrainingTask
  readonly networks: Networks
  /** a second pair of the same architecture that becomes the average; null for none */
  readonly emaNetworks: Networks | null
  readonly loader: Loader
  readonly store: Snapshots
  /** folder of the history files */
  readonly logs: string
  readonly logger: Logger
  readonly signal: AbortSignal
  /** goes on from here; null starts at step 0 */
  readonly resumeFrom: Snapshot | null
  /** steps that broke, where `resumeFrom` is what was gone back to; default: as the snapshot has them */
  readonly rewinds?: readonly number[]
  /** what the weights belong to, stored in state.json */
  readonly network: unknown
  /** parameters that are frozen for the first epochs; null or left out: what is trainable stays so */
  readonly thaw?: Thaw | null
  readonly callbacks?: readonly Callback[]
  /** makes what passes are captured on (compile); null or left out: they run eagerly */
  readonly graphs?: (() => PassGraph) | null
}

export interface Thaw {
  /** epochs that pass before */
  readonly afterEpochs: number
  /** makes the parameters trainable */
  run(): Promise<void>
}

export interface LoopResult {
  readonly outcome: 'finished' | 'interrupted'
  readonly state: TrainingState
  /** the newest snapshot, and the one of the best epoch */
  readonly last: string
  readonly best: string
}
