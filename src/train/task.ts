/** What a phase supplies to the one training loop: everything that differs between plain training, SupCon, ArcFace and distillation. */
import type { NativeModule, Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import type { NamedPart } from '../optim/index.ts'

/** A backbone [N, 3, S, S] → features [N, D], and a head [N, D] → embeddings, cosines or logits. */
export interface Networks {
  readonly backbone: NativeModule
  readonly head: NativeModule
}

export interface StepOutput {
  /** scalar [] with a gradient */
  readonly loss: Tensor
  /** shown beside the loss, e.g. { kd: 0.3, labels: 1.2 }; scalars [] are read after the pass, all at once */
  readonly parts: Readonly<Record<string, number | Tensor>>
  /** how many of the batch were classified rightly (a mixed picture counts by the shares of its labels); null where the phase has no classes to tell */
  readonly correct: number | Tensor | null
}

/**
 * What the host decides about a batch before its pass: what is mixed with what and how much of it. A captured pass (captured-pass.ts) is the same work
 * at the same addresses each time, so that what differs from batch to batch enters it here and nowhere else.
 */
export interface Draws {
  /** which work the pass is; passes of one kind, and of tensors of one shape, launch the same */
  readonly kind: string
  readonly tensors: Readonly<Record<string, Tensor>>
  /** numbers as `draw` gives them; in a captured pass float64 scalars [] on the device */
  readonly scalars: Readonly<Record<string, number | Tensor>>
}

export interface Validation {
  readonly loss: number | null
  /** fraction in 0–1 */
  readonly accuracy: number | null
}

export interface TrainingTask {
  /** the phase's name, for messages and files */
  readonly name: string
  /** Before each pass over a batch; left out where there is nothing to draw. Its tensors live as long as the current scope. */
  draw?(networks: Networks, batch: Batch): Promise<Draws>
  /**
   * One forward pass and its loss. To be captured (compile) it launches the same work for every batch of one kind: it makes no tensor of values of
   * the host, reads no value, and of `batch` uses the tensors, size and views alone.
   *
   * @param draws what `draw` gave; left out, the task draws itself
   */
  compute(networks: Networks, batch: Batch, draws?: Draws): Promise<StepOutput>
  /** the parameters to train; frozen ones are left out */
  trainable(networks: Networks): NamedPart[]
  /**
   * What the task itself remembers between steps (the statistics of a margin, a memory of embeddings, a projection that is trained beside
   * the networks): stored in a snapshot as its part "task", and given back before the first step of a resumed run and
   * between the two passes of a SAM step. Nothing is remembered beside what `restore` is given. To be captured, a task changes what it remembers
   * in place: the same keys, and tensors of the same addresses, once the first batches have set them.
   */
  state?(): ReadonlyMap<string, Tensor>
  restore?(state: ReadonlyMap<string, Tensor>): void | Promise<void>
  /** null: there is nothing to validate on, and the newest snapshot counts as the best */
  readonly validate: ((networks: Networks, signal: AbortSignal) => Promise<Validation>) | null
}
