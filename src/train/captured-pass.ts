/**
 * Passes that are captured once and replayed (compile): a few hundred launches of small kernels become one.
 *
 * The first passes of each kind of batch (signature: kind of draws, shapes, types) run eagerly where the capture will; they are passes of the training
 * like any other, so that nothing has to be undone. Then the pass is recorded, which runs nothing, and from then on each batch is copied into the
 * tensors that the graph reads, and the graph is launched. Gradients are kept where they are (Optimizer.keepGradients) and every pass, eager
 * or replayed, adds to them. The steps of an optimizer, SAM's ascent, clipping and averages stay outside.
 */
import { torch, type Tensor } from '../binding/index.ts'
import type { Batch } from '../data/index.ts'
import { BindingError } from '../util/errors.ts'
import { noDraws, Told, type PassReport, type Passes } from './pass.ts'
import type { Draws, Networks, TrainingTask } from './task.ts'

/** What records a pass: a StepGraph, or what behaves like one. */
export interface PassGraph {
  /** Runs the pass at once, as `capture` will record it. */
  warmUp<T>(pass: () => Promise<T>): Promise<T>
  /** Records the pass. @returns its result, which has values from the first replay on */
  capture(pass: () => Promise<Tensor>): Promise<Tensor>
  replay(): Promise<void>
  dispose(): Promise<void>
}

/** Eager passes before a capture: libraries choose algorithms and take workspaces, and a task sets what it remembers. */
const warmUps = 3

interface Captured {
  readonly graph: PassGraph
  readonly inputs: Inputs
  readonly told: Told
  /** of `told`, kept until the graph goes */
  readonly values: Tensor
  /** where the task's memory was */
  readonly memory: string
}

export class CapturedPasses implements Passes {
  readonly #task: TrainingTask
  readonly #networks: Networks
  readonly #make: () => PassGraph
  /** by signature: passes until now, and the graph that they run on */
  readonly #warm = new Map<string, { readonly graph: PassGraph; passes: number }>()
  readonly #captured = new Map<string, Captured>()

  /** @param make a graph on the device of the networks */
  constructor(task: TrainingTask, networks: Networks, make: () => PassGraph) {
    this.#task = task
    this.#networks = networks
    this.#make = make
  }

  run(batch: Batch, factor: number): Promise<PassReport> {
    return torch.scope(async () => {
      const draws = (await this.#task.draw?.(this.#networks, batch)) ?? noDraws
      const signature = signatureOf(batch, draws)
      let captured = this.#captured.get(signature)
      if (captured !== undefined && captured.memory !== this.#memory()) {
        await this.renew()
        captured = undefined
      }
      if (captured !== undefined) {
        captured.inputs.feed(batch, draws, factor)
        return replay(captured)
      }
      const warm = this.#warm.get(signature) ?? { graph: this.#make(), passes: 0 }
      this.#warm.set(signature, warm)
      const inputs = new Inputs(batch, draws, factor)
      if (warm.passes++ < warmUps) {
        const told = await warm.graph.warmUp(() => this.#pass(inputs)).finally(() => inputs.dispose())
        return told.read()
      }
      const made = await this.#capture(warm.graph, inputs).catch((error: unknown) => {
        inputs.dispose()
        throw error
      })
      this.#captured.set(signature, made)
      return replay(made)
    })
  }

  async renew(): Promise<void> {
    for (const { inputs, values } of this.#captured.values()) {
      inputs.dispose()
      values.dispose()
    }
    const graphs = [...this.#warm.values()].map(({ graph }) => graph)
    this.#captured.clear()
    this.#warm.clear()
    for (const graph of graphs) await graph.dispose()
  }

  async #capture(graph: PassGraph, inputs: Inputs): Promise<Captured> {
    const memory = this.#memory()
    let told: Told | null = null
    const values = await graph.capture(async () => {
      told = await this.#pass(inputs)
      return told.values
    })
    if (told === null || this.#memory() !== memory)
      throw new BindingError(
        `compile: expected the task "${this.#task.name}" to change what it remembers in place, but a pass put other tensors there; a captured pass would ` +
          'read the old ones for ever. Use copyFrom, or remove compile.',
      )
    return { graph, inputs, told, values: torch.keep(values), memory }
  }

  async #pass(inputs: Inputs): Promise<Told> {
    const output = await this.#task.compute(this.#networks, inputs.batch, inputs.draws)
    const told = new Told(output)
    told.expectTensors()
    await torch.backward(torch.ops.mul(output.loss, inputs.factor.to(output.loss.dtype)))
    return told
  }

  /** What the task remembers, and where. */
  #memory(): string {
    return torch.scope(() =>
      [...(this.#task.state?.() ?? [])].map(([name, { address }]) => `${name} ${address}`).join(),
    )
  }
}

async function replay({ graph, told, values }: Captured): Promise<PassReport> {
  await graph.replay()
  return told.read(values)
}

function signatureOf({ images, localImages, labels, size, views }: Batch, { kind, tensors, scalars }: Draws): string {
  const named = { images, labels, ...(localImages === undefined ? {} : { localImages }), ...tensors }
  const described = Object.entries(named).map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape.join('×')}`)
  return [kind, size, views, ...described, ...Object.keys(scalars)].join()
}

/** What a pass is fed with: copies of a batch and its draws at addresses that stay. */
class Inputs {
  readonly batch: Batch
  readonly draws: Draws
  /** [] float64 */
  readonly factor: Tensor
  readonly #tensors: ReadonlyMap<string, Tensor>
  /** float64: the factor and the scalars */
  readonly #numbers: Tensor
  readonly #names: readonly string[]
  readonly #views: readonly Tensor[]

  constructor(batch: Batch, draws: Draws, factor: number) {
    const copy = (tensor: Tensor): Tensor => torch.noGrad(() => torch.keep(torch.ops.clone(tensor)))
    this.#tensors = new Map([...tensorsOf(batch, draws)].map(([name, tensor]) => [name, copy(tensor)]))
    this.#names = Object.keys(draws.scalars)
    this.#numbers = torch.keep(numbersOf(draws, factor, this.#names, batch.images.device))
    this.#views = [null, ...this.#names].map((_, at) => torch.keep(torch.ops.select(this.#numbers, 0, at)))
    this.factor = this.#views[0] as Tensor
    const own = (name: string): Tensor => this.#tensors.get(name) as Tensor
    this.draws = {
      kind: draws.kind,
      tensors: Object.fromEntries(Object.keys(draws.tensors).map((name) => [name, own(`draws.${name}`)])),
      scalars: Object.fromEntries(this.#names.map((name, at) => [name, this.#views[at + 1] as Tensor])),
    }
    this.batch = fixed(batch, {
      images: own('images'),
      labels: own('labels'),
      ...(batch.localImages === undefined ? {} : { localImages: own('localImages') }),
    })
  }

  /** Another batch of the same signature. */
  feed(batch: Batch, draws: Draws, factor: number): void {
    for (const [name, tensor] of tensorsOf(batch, draws)) this.#tensors.get(name)?.copyFrom(tensor)
    this.#numbers.copyFrom(numbersOf(draws, factor, this.#names, 'cpu'))
  }

  dispose(): void {
    for (const tensor of [...this.#tensors.values(), ...this.#views, this.#numbers]) tensor.dispose()
  }
}

function tensorsOf({ images, localImages, labels }: Batch, { tensors }: Draws): Map<string, Tensor> {
  return new Map([
    ['images', images],
    ['labels', labels],
    ...(localImages === undefined ? [] : ([['localImages', localImages]] as const)),
    ...Object.entries(tensors).map(([name, tensor]): [string, Tensor] => [`draws.${name}`, tensor]),
  ])
}

function numbersOf({ scalars }: Draws, factor: number, names: readonly string[], device: string): Tensor {
  return torch.tensor(Float64Array.from([factor, ...names.map((name) => Number(scalars[name]))]), { device })
}

/** What else a batch tells is that of the one that was captured: asking for it is an error. */
function fixed(batch: Batch, tensors: Pick<Batch, 'images' | 'labels' | 'localImages'>): Batch {
  const open = { ...tensors, size: batch.size, views: batch.views, dispose() {} }
  const refused = (['labelValues', 'ids', 'indices', 'epoch'] as const).map((name) => [
    name,
    {
      // A copy with some fields replaced does not ask for it.
      enumerable: false,
      get(): never {
        throw new BindingError(
          `compile: batch.${name} was read in a captured pass, which would see that of one batch for ever. Give it through the task's draw.`,
        )
      },
    },
  ])
  return Object.defineProperties(open, Object.fromEntries(refused) as PropertyDescriptorMap) as Batch
}
