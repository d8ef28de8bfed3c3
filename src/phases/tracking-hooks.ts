/** A run as Weights & Biases is told of it: the steps and epochs of training phases as rows, what phases end with as its summary. */
import type { WandbTracker } from '../tracking/index.ts'
import type { Callback } from '../train/index.ts'
import { snakeCase } from '../util/snake-case.ts'
import type { PhaseResult, RunPaths } from './context.ts'

export interface TrackingHooks {
  readonly callback: Callback
  readonly onRun: (run: RunPaths) => void
  readonly onResult: (result: PhaseResult) => void
}

/** What a pipeline's options take: `callbacks`, `onRun` and `onResult`. The caller ends the tracker. */
export function trackingHooks(tracker: WandbTracker): TrackingHooks {
  let phase = ''
  return {
    callback: {
      name: 'wandb',
      onStart(start) {
        phase = start.phase
      },
      onStepEnd({ step, epoch, loss, parts, learningRate, gradientNorm }) {
        if (step % tracker.logEverySteps !== 0) return
        tracker.row(
          { phase, step, isEpoch: false },
          { epoch, loss, ...parts, lr: learningRate, gradient_norm: gradientNorm },
        )
      },
      onEpochEnd({ phase: name, step, ...numbers }) {
        tracker.row({ phase: name, step, isEpoch: true }, numbers)
      },
    },
    onRun: (run) => tracker.begin(run),
    onResult({ phase: name, outcome, metrics }) {
      if (outcome !== 'interrupted') {
        const entries = Object.entries(metrics).map(([key, value]) => [snakeCase(key), value])
        tracker.result(name, Object.fromEntries(entries) as Record<string, number>)
      }
    },
  }
}
