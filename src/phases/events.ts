/**
 * A pipeline that runs while its caller does other things, and tells of itself:
 *
 *   await using run = startPipeline(config)
 *   for await (const event of run.events()) if (event.type === 'epoch') show(event.record)
 *   const { outcome } = await run.result
 */
import type { EpochRecord } from '../tracking/index.ts'
import type { Callback, StepEvent } from '../train/index.ts'
import type { PhaseName, PhaseResult, RunPaths } from './context.ts'
import type { PipelineResult } from './orchestrator.ts'
import { runPipeline, type RunPipelineOptions } from './pipeline.ts'
import type { PipelineConfigInput } from './pipeline-config.ts'

export type PipelineEvent =
  | { readonly type: 'run'; readonly run: RunPaths }
  | { readonly type: 'phase'; readonly phase: string; readonly epochs: number }
  | ({ readonly type: 'step'; readonly phase: string } & StepEvent)
  | { readonly type: 'epoch'; readonly phase: string; readonly record: EpochRecord }
  | { readonly type: 'result'; readonly phase: PhaseName; readonly result: PhaseResult }

export interface PipelineRun extends AsyncDisposable {
  /** Everything that happens from this call on; ends with the run, and throws what the run throws. Leaving the loop does not stop the run. */
  events(): AsyncIterableIterator<PipelineEvent>
  /** Rejects with what the run throws. */
  readonly result: Promise<PipelineResult>
  /** Stops after the current step with a snapshot; the result's outcome is then `interrupted`. */
  abort(): void
}

/** Events kept for a listener that is slower than the training; beyond them its oldest steps are dropped, nothing else is. */
const mostWaiting = 4096

/** Runs a pipeline as `runPipeline` does, and returns at once. `await using` aborts it and waits when the block is left early. */
export function startPipeline(config: PipelineConfigInput, options: RunPipelineOptions = {}): PipelineRun {
  const listeners = new Set<Listener>()
  const stop = new AbortController()
  const tell = (event: PipelineEvent): void => listeners.forEach((listener) => listener.add(event))
  const run = async (): Promise<PipelineResult> => {
    await Promise.resolve() // a caller that listens at once hears all
    return runPipeline(config, {
      ...options,
      signal: options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]),
      callbacks: [telling(tell), ...(options.callbacks ?? [])],
      onRun(paths) {
        options.onRun?.(paths)
        tell({ type: 'run', run: paths })
      },
      onResult(result) {
        options.onResult?.(result)
        tell({ type: 'result', phase: result.phase, result })
      },
    })
  }
  const result = run()
  result.catch(() => undefined) // whoever awaits it or listens is told; nobody has to
  return {
    result,
    events() {
      const listener = new Listener(() => listeners.delete(listener))
      listeners.add(listener)
      void result.then(
        () => listener.close(),
        (error: unknown) => listener.close(error),
      )
      return listener
    },
    abort: () => stop.abort(new DOMException('the caller stopped the run', 'AbortError')),
    async [Symbol.asyncDispose]() {
      this.abort()
      await result.catch(() => undefined)
    },
  }
}

function telling(tell: (event: PipelineEvent) => void): Callback {
  let phase = ''
  return {
    name: 'events',
    onStart(start) {
      phase = start.phase
      tell({ type: 'phase', ...start })
    },
    onStepEnd: (event) => tell({ type: 'step', phase, ...event }),
    onEpochEnd: (record) => tell({ type: 'epoch', phase, record }),
  }
}

/** One `for await`: what came and was not taken yet, and who waits for the next. */
class Listener implements AsyncIterableIterator<PipelineEvent> {
  readonly #leave: () => void
  readonly #waiting: PipelineEvent[] = []
  #wake: (() => void) | null = null
  #end: { readonly error: unknown } | null = null

  constructor(leave: () => void) {
    this.#leave = leave
  }

  add(event: PipelineEvent): void {
    if (this.#end !== null) return
    if (this.#waiting.length >= mostWaiting) {
      const oldest = this.#waiting.findIndex(({ type }) => type === 'step')
      if (oldest >= 0) this.#waiting.splice(oldest, 1)
    }
    this.#waiting.push(event)
    this.#wake?.()
  }

  close(error?: unknown): void {
    this.#end ??= { error }
    this.#leave()
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<PipelineEvent, undefined>> {
    while (this.#waiting.length === 0 && this.#end === null)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    const event = this.#waiting.shift()
    if (event !== undefined) return { value: event, done: false }
    const error = this.#end?.error
    this.#end = { error: undefined } // thrown once
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- what the run threw, unchanged
    if (error !== undefined) throw error
    return { value: undefined, done: true }
  }

  return(): Promise<IteratorResult<PipelineEvent, undefined>> {
    this.#waiting.length = 0
    this.close()
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
