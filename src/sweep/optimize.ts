/** The loop around ask and tell: workers of this process, an end, and what becomes of an objective that throws. */
import { ConfigError } from '../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../util/option-names.ts'
import { timerDelay } from '../util/timer.ts'
import { TrialPruned, type ActiveTrial } from './active-trial.ts'
import { newOwner } from './owner.ts'
import type { Study } from './study.ts'
import { isOver, type Trial } from './trial.ts'

/** A number, or one for each objective. */
export type ObjectiveValue = number | readonly number[]

export type Objective = (trial: ActiveTrial) => ObjectiveValue | Promise<ObjectiveValue>

export interface OptimizeOptions {
  /** finished trials in the study at the end, those of earlier calls and of other processes among them */
  readonly trials: number
  /** trials at the same time in this process; default 1 */
  readonly workers?: number
  /** no trial is started after so many seconds; those that run are released */
  readonly timeoutSeconds?: number
  /** stops: running trials are given back, and run again when the study is continued */
  readonly signal?: AbortSignal
  /** after each trial of this process whose end was counted */
  readonly onTrial?: (trial: Trial) => void
  /** milliseconds between looks at trials that other processes run; default 200 */
  readonly pollEvery?: number
}

const optionNames: OptionNames<OptimizeOptions> = {
  ...{ trials: true, workers: true, timeoutSeconds: true, signal: true, onTrial: true, pollEvery: true },
}

/** @returns all trials of the study */
export async function optimize(
  study: Study,
  objective: Objective,
  options: OptimizeOptions,
): Promise<readonly Trial[]> {
  checkOptionNames('optimize', options, optionNames)
  const { trials: limit, workers = 1, timeoutSeconds, pollEvery = 200 } = options
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new ConfigError(`optimize: expected trials to be a whole number ≥ 1, got ${limit}.`)
  if (!Number.isSafeInteger(workers) || workers < 1)
    throw new ConfigError(`optimize: expected workers to be a whole number ≥ 1, got ${workers}.`)
  if (timeoutSeconds !== undefined && !(timeoutSeconds > 0))
    throw new ConfigError(`optimize: expected timeoutSeconds > 0, got ${timeoutSeconds}.`)
  const stop = new AbortController()
  const stopNow = (): void => stop.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', stopNow, { once: true })
  if (options.signal?.aborted === true) stopNow()
  const timer = timeoutSeconds === undefined ? undefined : setTimeout(() => stop.abort(), timerDelay(timeoutSeconds))
  const work = async (): Promise<void> => {
    const owner = newOwner()
    const { heartbeatEvery } = study.storage
    const beat = (): void => void study.storage.heartbeat(owner).catch(() => undefined) // the next call says what is wrong
    const heart = heartbeatEvery === null ? undefined : setInterval(beat, heartbeatEvery)
    try {
      while (!stop.signal.aborted) {
        const trial = await study.ask({ limit, owner })
        if (trial !== null) await runOne(study, objective, trial, stop.signal, options)
        // Others' trials may come back when their workers die; they are this worker's then.
        else if (isOver(await study.trials(), limit)) return
        else await pause(pollEvery, stop.signal)
      }
    } finally {
      clearInterval(heart)
    }
  }
  try {
    const results = await Promise.allSettled(Array.from({ length: workers }, () => work().catch(rethrowAfter(stopNow))))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return await study.trials()
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', stopNow)
  }
}

/** A storage that fails ends every worker, not only the one that noticed. */
function rethrowAfter(stopNow: () => void): (error: unknown) => never {
  return (error) => {
    stopNow()
    throw error
  }
}

async function runOne(
  study: Study,
  objective: Objective,
  trial: ActiveTrial,
  signal: AbortSignal,
  { onTrial }: OptimizeOptions,
): Promise<void> {
  trial.signal = signal
  const counted = await tell(objective, trial, signal)
  if (!counted || onTrial === undefined) return
  const stored = (await study.trials())[trial.number]
  if (stored !== undefined) onTrial(stored)
}

/** @returns false when another worker has the trial by now: what came of it here is not counted */
async function tell(objective: Objective, trial: ActiveTrial, signal: AbortSignal): Promise<boolean> {
  let value: ObjectiveValue
  try {
    value = await objective(trial)
  } catch (error) {
    if (error instanceof TrialPruned) return trial.stop()
    if (signal.aborted) return trial.release()
    return trial.fail('error', error instanceof Error ? error.message : String(error))
  }
  return signal.aborted && value === undefined ? trial.release() : trial.complete(value)
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal.addEventListener('abort', end, { once: true })
  })
}
