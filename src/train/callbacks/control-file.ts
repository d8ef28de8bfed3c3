/**
 * Steering a training without a terminal: a file `control.json` in its log folder is read at the next step, obeyed and removed.
 *
 *   {"halt": true}                     the epoch ends here, and the next phase begins
 *   {"extend": 5}                      five more epochs
 *   {"learning_rate_factor": 0.1}      a tenth of the learning rate from here on
 */
import { existsSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { z } from 'zod'
import type { Logger } from '../../util/logger.ts'
import type { Callback, StepEvent, TrainingControl } from '../callback.ts'

const orders = z
  .strictObject({
    halt: z.literal(true).optional(),
    extend: z.number().int().positive().max(1e6).optional(),
    learning_rate_factor: z.number().positive().max(1e6).optional(),
  })
  .refine((given) => Object.keys(given).length > 0, 'none is given')

export class ControlFile implements Callback {
  readonly name = 'control'
  readonly #path: string
  readonly #logger: Logger

  constructor(path: string, logger: Logger) {
    this.#path = path
    this.#logger = logger
  }

  async onStepEnd({ step }: StepEvent, control: TrainingControl): Promise<void> {
    if (!existsSync(this.#path)) return
    const given = await this.#take()
    if (given === null) return
    this.#logger.info(`step ${step}: ${this.#path}: ${JSON.stringify(given)}`)
    if (given.learning_rate_factor !== undefined) control.scaleLearningRate(given.learning_rate_factor)
    if (given.extend !== undefined) control.extend(given.extend)
    if (given.halt === true) control.stop(`halted by ${this.#path}`)
  }

  /** Null for what is none of ours: it is put aside with a warning, so that it is not read at every step. */
  async #take(): Promise<z.infer<typeof orders> | null> {
    try {
      const parsed = orders.safeParse(JSON.parse(await readFile(this.#path, 'utf8')))
      if (parsed.success) {
        await rm(this.#path)
        return parsed.data
      }
      throw new Error(parsed.error.issues[0]?.message ?? 'differs')
    } catch (error) {
      const aside = `${this.#path}.refused`
      const moved = await rename(this.#path, aside).then(
        () => `Moved to ${aside}.`,
        () => '',
      )
      this.#logger.warn(
        `${this.#path}: expected {"halt": true}, {"extend": <epochs>} or {"learning_rate_factor": <number>}: ` +
          `${error instanceof Error ? error.message : String(error)}. ${moved}`,
      )
      return null
    }
  }
}
