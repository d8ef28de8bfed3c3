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
  /** shown beside the loss, e.g. { kd: 0.3, labels: 1.2 } */
  readonly parts: Readonly<Record<string, number>>
  /** how many of the batch were classified rightly (a mixed picture counts by the shares of its labels); null where the phase has no classes to tell */
  readonly correct: number | null
}

export interface Validation {
  readonly loss: number | null
  /** fraction in 0–1 */
  readonly accuracy: number | null
}

export interface TrainingTask {
  /** the phase's name, for messages and files */
  readonly name: string
  compute(networks: Networks, batch: Batch): Promise<StepOutput>
  /** the parameters to train; frozen ones are left out */
  trainable(networks: Networks): NamedPart[]
  /**
   * What the task itself remembers between steps (the statistics of a margin, a memory of embeddings, a projection that is trained beside
   * the networks): stored in a snapshot as its part "task", and given back before the first step of a resumed run and
   * between the two passes of a SAM step. Nothing is remembered beside what `restore` is given.
   */
  state?(): ReadonlyMap<string, Tensor>
  restore?(state: ReadonlyMap<string, Tensor>): void | Promise<void>
  /** null: there is nothing to validate on, and the newest snapshot counts as the best */
  readonly validate: ((networks: Networks, signal: AbortSignal) => Promise<Validation>) | null
}
