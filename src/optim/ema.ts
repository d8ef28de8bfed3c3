/**
 * Exponential moving average of weights with warm-up, as timm's ModelEmaV3. Polyak and Juditsky 1992 for the idea.
 *
 * decay(n) = min(maximum, 1 − (1 + n)^(−2/3)) with n the updates made before: 0, .370039, … Without the warm-up a short phase
 * keeps most of its first, random weights (.9995^200 = .905).
 */
import { emaUpdate, type NativeModule, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'

const warmupPower = 2 / 3

/** Decay of an update after `updates` earlier ones. */
export function emaDecayAt(updates: number, maximum: number): number {
  return Math.max(0, Math.min(maximum, 1 - (1 + updates) ** -warmupPower))
}

/** Keeps `shadow` an average of `live`. Floating tensors are averaged, integer ones (batch counters) copied. */
export class Ema {
  readonly decay: number
  readonly shadow: readonly NativeModule[]
  readonly #shadowTensors: Tensor[]
  readonly #liveTensors: Tensor[]

  /** @throws {ShapeError} when the two lists do not have the same tensors */
  constructor(live: readonly NativeModule[], shadow: readonly NativeModule[], decay: number) {
    this.decay = decay
    this.shadow = shadow
    this.#liveTensors = []
    this.#shadowTensors = []
    for (const [index, module] of live.entries()) {
      const source = module.stateDict()
      const target = shadow[index]?.stateDict() ?? new Map<string, Tensor>()
      for (const [name, tensor] of source) {
        const twin = target.get(name)
        if (twin === undefined || twin.shape.join() !== tensor.shape.join())
          throw new ShapeError(
            `ema: expected "${name}" of shape [${tensor.shape.join(', ')}] in the averaged model, got ` +
              (twin === undefined ? 'none' : `[${twin.shape.join(', ')}]`),
          )
        this.#liveTensors.push(tensor)
        this.#shadowTensors.push(twin)
      }
    }
    for (const module of shadow) {
      module.setRequiresGrad(false)
      module.train(false) // a teacher left in training mode would use batch statistics
    }
  }

  /** Call after the optimizer's update number `step` (counted from 0). */
  update(step: number): Promise<void> {
    return emaUpdate(this.#shadowTensors, this.#liveTensors, emaDecayAt(step, this.decay))
  }

  /** Lets go of the tensor handles; the modules stay. */
  dispose(): void {
    for (const tensor of [...this.#liveTensors, ...this.#shadowTensors]) tensor.dispose()
  }
}
