/** Asks after so many epochs whether to go on: `H` halts, a number is how many more epochs pass before the next question. */
import { z } from 'zod'
import type { EpochRecord } from '../../tracking/index.ts'
import type { Callback, TrainingControl } from '../callback.ts'

/** The answer of whoever watches; null when nobody can be asked. */
export type Ask = (question: string) => Promise<string | null>

export class HaltPrompt implements Callback {
  readonly name = 'ask_epoch'
  readonly #ask: Ask
  /** the epoch after which is asked next; null: never */
  #next: number | null
  #isAnswered = true

  /** @param askEpoch 0 counts as 1; none is asked when it is not below the phase's epochs */
  constructor(askEpoch: number, ask: Ask) {
    this.#next = Math.max(1, askEpoch)
    this.#ask = ask
  }

  onStart({ epochs }: { readonly epochs: number }): void {
    if (this.#next !== null && this.#next >= epochs) this.#next = null
  }

  async onEpochEnd({ phase, epoch }: EpochRecord, control: TrainingControl): Promise<void> {
    if (this.#next === null || epoch < this.#next || !this.#isAnswered) return
    let question = `${phase}: ${epoch} epochs are done. H halts, a number trains so many more before asking again: `
    for (;;) {
      const answer = (await this.#ask(question))?.trim() ?? null
      if (answer === null) {
        this.#isAnswered = false // a run that goes on may have someone at its terminal
        return
      }
      if (answer.toLowerCase() === 'h') return control.stop('halted at the prompt')
      if (/^[1-9]\d{0,5}$/.test(answer)) {
        this.#next = epoch + Number(answer)
        return
      }
      question = `expected H or a positive whole number, got "${answer.slice(0, 40)}": `
    }
  }

  state(): { next: number | null } {
    return { next: this.#next }
  }

  restore(state: unknown): void {
    this.#next = z.object({ next: z.number().int().nullable() }).parse(state).next
  }
}
