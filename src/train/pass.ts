/** Forward, loss and backward over one batch, and what is told of it: loss, parts and count, read from the device at once. */
import { torch, type Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import { BindingError } from '../util/errors.ts'
import type { Draws, Networks, StepOutput, TrainingTask } from './task.ts'

export interface PassReport {
  readonly loss: number
  readonly parts: Readonly<Record<string, number>>
  readonly correct: number | null
}

/** How a batch goes through the networks. */
export interface Passes {
  /**
   * Adds the gradients of factor · loss. Where the loss is not finite they may be missing or not finite.
   *
   * @param factor the batch's share of the step, times the loss scale
   */
  run(batch: Batch, factor: number): Promise<PassReport>
  /** Parameters or networks have changed: nothing that is kept holds any more. */
  renew(): Promise<void>
}

export const noDraws: Draws = { kind: '', tensors: {}, scalars: {} }

/** Each batch by itself, at once. */
export class EagerPasses implements Passes {
  readonly #task: TrainingTask
  readonly #networks: Networks

  constructor(task: TrainingTask, networks: Networks) {
    this.#task = task
    this.#networks = networks
  }

  run(batch: Batch, factor: number): Promise<PassReport> {
    return torch.scope(async () => {
      const draws = await this.#task.draw?.(this.#networks, batch)
      const output = await this.#task.compute(this.#networks, batch, draws)
      const report = new Told(output).read()
      if (Number.isFinite(report.loss))
        await torch.backward(factor === 1 ? output.loss : torch.ops.mul(output.loss, factor))
      return report
    })
  }

  async renew(): Promise<void> {}
}

/** What a pass tells, as one tensor; numbers that a task has already are kept as they are. */
export class Told {
  /** float64 [values] */
  readonly values: Tensor
  readonly #parts: readonly [name: string, value: number | null][]
  readonly #correct: number | null
  readonly #counts: boolean

  constructor({ loss, parts, correct }: StepOutput) {
    const entries = Object.entries(parts)
    const isTensor = (value: number | Tensor | null): value is Tensor => typeof value === 'object' && value !== null
    const tensors = [loss, ...entries.map(([, value]) => value), correct].filter(isTensor)
    this.values = torch.noGrad(() =>
      torch.ops.stack(tensors.map((tensor) => torch.ops.reshape(tensor.detach().to('float64'), []))),
    )
    this.#parts = entries.map(([name, value]) => [name, isTensor(value) ? null : value])
    this.#counts = isTensor(correct)
    this.#correct = isTensor(correct) ? null : correct
  }

  /** @throws {BindingError} when a part or the count is a number, which would be that of one batch for ever */
  expectTensors(): void {
    const number = this.#parts.find(([, value]) => value !== null)?.[0] ?? (this.#correct === null ? null : 'correct')
    if (number === null) return
    throw new BindingError(
      `compile: expected the task to tell "${number}" as a tensor, got a number: a captured pass would tell that of one batch for ever. ` +
        'Give the scalar tensor, or remove compile.',
    )
  }

  /** @param values as `this.values`, from the same pass or a replay of it */
  read(values: Tensor = this.values): PassReport {
    const numbers = values.toArray()
    const next = (): number => numbers.shift() ?? NaN
    const loss = next()
    const parts = Object.fromEntries(this.#parts.map(([name, value]) => [name, value ?? next()]))
    return { loss, parts, correct: this.#counts ? next() : this.#correct }
  }
}
