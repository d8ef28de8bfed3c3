/** A phase's options in the words of the training loop. */
import { scheduleOptions } from '../../optim/index.ts'
import type { LoopOptions } from '../../train/index.ts'
import type { Precision } from '../context.ts'
import { nonFiniteOptions } from './survival.ts'
import { lookaheadOptions, samOptions, swaOptions } from './toolkit.ts'
import type { TrainingOptions } from './training.ts'

export function loopOptions(
  options: TrainingOptions,
  { seed, precision }: { readonly seed: number; readonly precision: Precision },
): LoopOptions {
  return {
    duration: options,
    warmup: { epochs: options.warmupEpochs, steps: options.warmupSteps, examples: options.warmupExamples },
    schedule: {
      ...scheduleOptions(options.schedule),
      learningRate: options.lr,
      finalFraction: options.finalLrFraction,
    },
    optimizer: options,
    gradClip: options.gradClip,
    gradClipMode: options.gradClipMode ?? 'norm',
    accumulation: options.accumulation,
    sam: samOptions(options.sam),
    lookahead: lookaheadOptions(options.lookahead),
    swa: swaOptions(options.swa),
    precision: options.precision ?? precision,
    emaDecay: options.emaDecay ?? 0,
    monitor: options.monitor,
    patience: options.earlyStopping ? options.earlyStoppingPatience : null,
    snapshotEvery: options.snapshotEvery,
    snapshotMinutes: options.snapshotMinutes,
    nonFinite: nonFiniteOptions(options.nonFinite),
    microBatch: options.microBatch,
    seed,
  }
}
