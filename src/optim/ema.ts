/**
 * Averages of weights in a second network: exponential with warm-up, as timm's ModelEmaV3 (Polyak and Juditsky 1992 for the idea), or the
 * plain mean of snapshots (SWA, Izmailov et al. 2018, https://arxiv.org/abs/1803.05407).
 *
 * decay(n) = min(maximum, 1 − (1 + n)^(−2/3)) with n the updates made before: 0, .370039, … Without the warm-up a short phase
 * keeps most of its first, random weights (.9995^200 = .905).
 */
import { NativeAverage, type NativeModule, type Tensor } from '../binding/index.ts'
import { ShapeError } from '../util/errors.ts'

const warmupPower = 2 / 3

/** Decay of an update after `updates` earlier ones. */
export function emaDecayAt(updates: number, maximum: number): number {
  return Math.max(0, Math.min(maximum, 1 - (1 + updates) ** -warmupPower))
}

/** Decay that makes the average after one more update the plain mean of all `averaged` + 1 weights. */
export function swaDecayAt(averaged: number): number {
  return averaged / (averaged + 1)
}

/** Keeps `shadow` an average of `live`. Floating tensors are averaged, integer ones (batch counters) copied. */
export class WeightAverage {
  /** for NativeOptimizer.update, which averages in the same pass */
  readonly native: NativeAverage
  readonly #tensors: Tensor[]

  /** @throws {ShapeError} when the two lists do not have the same tensors */
  constructor(live: readonly NativeModule[], shadow: readonly NativeModule[]) {
    const sources: Tensor[] = []
    const targets: Tensor[] = []
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
        sources.push(tensor)
        targets.push(twin)
      }
    }
    for (const module of shadow) {
      module.setRequiresGrad(false)
      module.train(false) // a teacher left in training mode would use batch statistics
    }
    this.native = new NativeAverage(targets, sources)
    this.#tensors = [...sources, ...targets]
  }

  /** shadow ← decay · shadow + (1 − decay) · live; 0 copies. */
  update(decay: number): Promise<void> {
    return this.native.update(decay)
  }

  /** Lets go of the tensor handles; the modules stay. */
  dispose(): void {
    for (const tensor of this.#tensors) tensor.dispose()
  }
}
