/** A pass of a training step as a CUDA graph (native/core/step_graph.h): what it launches is recorded once, and launched as a whole from then on. */
import { withCapture } from './context.ts'
import { native } from './native.ts'
import type { GraphHandle } from './native.ts'
import type { Tensor } from './tensor.ts'

export class StepGraph {
  readonly #handle: GraphHandle
  readonly #siblings: Set<StepGraph>

  /**
   * @param siblings graphs that are never replayed at once with this one: their captures share memory, and what a replay leaves there is overwritten by
   *                 the next of any of them
   * @throws {ConfigError} when the device is not CUDA, or the addon was built without CUDA
   */
  constructor(device: string, siblings: Set<StepGraph> = new Set()) {
    this.#handle = native.createGraph(device)
    this.#siblings = siblings
  }

  /** Runs a pass eagerly, where the capture will: on the side stream, whose workspaces and gradient nodes it makes. */
  async warmUp<T>(pass: () => Promise<T>): Promise<T> {
    await native.graphEnter(this.#handle)
    try {
      return await withCapture(pass)
    } finally {
      await native.graphLeave(this.#handle)
    }
  }

  /** Records a pass without running it: its result has no values before the first `replay`. */
  async capture(pass: () => Promise<Tensor>): Promise<Tensor> {
    const [sharing] = this.#siblings
    await native.graphBegin(this.#handle, sharing === undefined ? null : sharing.#handle)
    let result: Tensor
    try {
      result = await withCapture(pass)
    } catch (error) {
      await native.graphAbandon(this.#handle)
      throw error
    }
    await native.graphEnd(this.#handle)
    this.#siblings.add(this)
    return result
  }

  /** With the generator's seed of now: the draws are those of an eager pass with that seed. */
  async replay(): Promise<void> {
    await native.graphReplay(this.#handle)
  }

  /** Frees the graph and its memory. */
  async dispose(): Promise<void> {
    this.#siblings.delete(this)
    await native.graphReset(this.#handle)
  }
}
