/** Stops before a NaN or an infinity reaches the weights. */
import { NonFiniteError } from '../util/errors.ts'

export class NonFiniteGuard {
  readonly #task: string
  #last: { value: number; step: number } | null = null

  constructor(task: string) {
    this.#task = task
  }

  /** @throws {NonFiniteError} that says why the loss scaler gave up */
  giveUp(why: string, at: { step: number; epoch: number }, kept: string | null): never {
    throw new NonFiniteError(
      `${this.#task}: ${why} at step ${at.step} (epoch ${at.epoch}). The weights were not changed by the steps that overflowed. ` +
        `${kept === null ? 'No snapshot was written yet' : `Snapshot kept: ${kept}`}. ` +
        'Lower lr, set grad_clip (1 is usual), or use precision: bfloat16 or float32; then go on with --resume.',
    )
  }

  /** @throws {NonFiniteError} naming the step, the last finite loss and the snapshot that is kept */
  check(what: 'loss' | 'gradient norm', value: number, at: { step: number; epoch: number }, kept: string | null): void {
    if (Number.isFinite(value)) {
      if (what === 'loss') this.#last = { value, step: at.step }
      return
    }
    const last =
      this.#last === null
        ? 'no finite loss came before'
        : `last finite loss ${this.#last.value.toPrecision(4)} at step ${this.#last.step}`
    throw new NonFiniteError(
      `${this.#task} ${what} became ${Number.isNaN(value) ? 'NaN' : 'infinite'} at step ${at.step} (epoch ${at.epoch}); ${last}. ` +
        `The weights were not changed by it. ${kept === null ? 'No snapshot was written yet' : `Snapshot kept: ${kept}`}. ` +
        'Lower lr, set grad_clip (1 is usual), lengthen the warm-up, or use precision: float32; then go on with --resume.',
    )
  }
}
