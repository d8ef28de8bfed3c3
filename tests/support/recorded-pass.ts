/**
 * What captures passes in place of a CUDA graph, on any device: it records what was asked of it, and runs the pass again where a graph would be
 * launched. A capture must run the pass to have a result; the replay that follows it is that run.
 */
import { torch, withCapture, type Tensor } from '../../src/binding/index.ts'
import type { PassGraph } from '../../src/train/index.ts'

export type Call = 'warm up' | 'capture' | 'replay' | 'dispose'

export class RecordedPass implements PassGraph {
  readonly calls: Call[]
  #pass: (() => Promise<Tensor>) | null = null
  #result: Tensor | null = null
  #hasRun = false

  /** @param calls what all graphs of a test were asked for, in order */
  constructor(calls: Call[]) {
    this.calls = calls
  }

  warmUp<T>(pass: () => Promise<T>): Promise<T> {
    this.calls.push('warm up')
    return withCapture(pass)
  }

  async capture(pass: () => Promise<Tensor>): Promise<Tensor> {
    this.calls.push('capture')
    this.#pass = pass
    this.#result = await withCapture(pass)
    this.#hasRun = true
    return this.#result
  }

  async replay(): Promise<void> {
    this.calls.push('replay')
    const [pass, result] = [this.#pass, this.#result]
    if (pass === null || result === null) throw new Error('a replay before the capture')
    if (!this.#hasRun) await torch.scope(async () => result.copyFrom(await withCapture(pass)))
    this.#hasRun = false
  }

  async dispose(): Promise<void> {
    this.calls.push('dispose')
    this.#pass = null
  }
}

/** How often each thing was asked for. */
export function counted(calls: readonly Call[]): Partial<Record<Call, number>> {
  const counts: Partial<Record<Call, number>> = {}
  for (const call of calls) counts[call] = (counts[call] ?? 0) + 1
  return counts
}
