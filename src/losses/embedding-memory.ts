/**
 * Cross-batch memory, Wang et al. 2020 (XBM), §3.2. https://arxiv.org/abs/1912.06798
 *
 * The embeddings of the latest batches and their labels, first in, first out: while the network moves slowly, they are as good to contrast
 * with as the batch's own, and there are many more of them. A batch enters when the next one begins, so that it never meets itself.
 */
import { torch, type ContrastMemory, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'

export class EmbeddingMemory {
  readonly #size: number
  readonly #startStep: number
  #stored: ContrastMemory | null = null
  /** the batch that is being trained on */
  #current: ContrastMemory | null = null
  /** batches that have begun */
  #steps = 0

  /**
   * @param size      embeddings that are kept
   * @param startStep batches before what is kept is used: early embeddings are out of date soon
   */
  constructor(size: number, startStep: number) {
    this.#size = size
    this.#startStep = startStep
  }

  /** How many embeddings are kept, the current batch aside. */
  get length(): number {
    return this.#stored?.embeddings.shape[0] ?? 0
  }

  /** A new batch begins; what the last one left is kept. */
  begin(): void {
    this.#commit()
    this.#steps++
  }

  /** What to contrast the current batch with; null before the start and while there is nothing. */
  contents(): ContrastMemory | null {
    return this.#steps > this.#startStep ? this.#stored : null
  }

  /** @param embeddings [N, D] of the current batch; kept without gradient @param labels [N] */
  remember(embeddings: Tensor, labels: Tensor): void {
    const count = embeddings.shape[0] ?? 0
    if (labels.shape.length !== 1 || labels.shape[0] !== count)
      throw new ShapeError(`memory: expected a label for each of ${count} embeddings, got [${labels.shape.join(', ')}]`)
    const { ops } = torch
    free(this.#current)
    this.#current = torch.noGrad(() => ({
      embeddings: torch.keep(ops.clone(embeddings.detach())),
      labels: torch.keep(ops.clone(labels)),
    }))
  }

  /** For a snapshot, between two batches: embeddings [M, D], labels [M], and the number of batches [1]. */
  state(): Map<string, Tensor> {
    this.#commit()
    const steps = torch.tensor([this.#steps], { dtype: 'int64' })
    const stored = this.#stored
    return new Map([
      ['memory_steps', steps],
      ...(stored === null
        ? []
        : ([
            ['memory_embeddings', stored.embeddings],
            ['memory_labels', stored.labels],
          ] as [string, Tensor][])),
    ])
  }

  /** @param device where the embeddings of the batches are */
  restore(state: ReadonlyMap<string, Tensor>, device: string): void {
    this.dispose()
    this.#steps = state.get('memory_steps')?.item() ?? 0
    const embeddings = state.get('memory_embeddings')
    const labels = state.get('memory_labels')
    if (embeddings === undefined || labels === undefined) return
    // The size may have been changed since.
    this.#stored = this.#latest(embeddings.to(device), labels.to(device))
  }

  dispose(): void {
    free(this.#stored)
    free(this.#current)
    this.#stored = null
    this.#current = null
  }

  #commit(): void {
    const current = this.#current
    if (current === null) return
    const stored = this.#stored
    torch.scope(() => {
      const { ops } = torch
      this.#stored =
        stored === null
          ? this.#latest(current.embeddings, current.labels)
          : this.#latest(ops.cat([stored.embeddings, current.embeddings]), ops.cat([stored.labels, current.labels]))
    })
    free(stored)
    free(current)
    this.#current = null
  }

  #latest(embeddings: Tensor, labels: Tensor): ContrastMemory {
    const { ops } = torch
    const count = embeddings.shape[0] ?? 0
    const from = Math.max(0, count - this.#size)
    const last = (tensor: Tensor): Tensor => torch.keep(ops.clone(ops.slice(tensor, 0, from, count)))
    return torch.noGrad(() => ({ embeddings: last(embeddings), labels: last(labels) }))
  }
}

function free(memory: ContrastMemory | null): void {
  memory?.embeddings.dispose()
  memory?.labels.dispose()
}
