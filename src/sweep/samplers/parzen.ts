/**
 * A Parzen estimator: a mixture with one component for each observation and one for the prior, each component a product of one
 * kernel a parameter. Numeric kernels are normal distributions cut at the bounds (on a grid: their mass in the cell), categorical
 * ones put most of their mass on the observed choice.
 *
 * Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; the choices of bandwidth after Watanabe 2023, "Tree-Structured
 * Parzen Estimator: Understanding Its Algorithm Components", https://arxiv.org/abs/2304.11127.
 */
import type { Rng } from '../../util/rng.ts'
import { normalMass, normalCdf, normalQuantile } from '../normal.ts'
import { cellOf, coordinateOf, valueAt, type Axis, type CategoricalAxis, type NumericAxis } from '../space/axis.ts'

export interface ParzenOptions {
  /** weight of the prior's component; an observation has at most 1 */
  readonly priorWeight: number
  /** keep bandwidths at or above a fraction of the range that shrinks with the number of observations ("magic clip") */
  readonly magicClip: boolean
}

/** One parameter's kernels in all components. */
interface Kernels {
  /** log of density (numeric, in the coordinate) or mass (grid, categorical) at `value` in each component, added to `into` */
  addLogDensity(value: number, into: Float64Array): void
  sample(component: number, rng: Rng): number
}

export class ParzenEstimator {
  readonly #logWeights: Float64Array
  readonly #scratch: Float64Array
  readonly #cumulative: Float64Array
  readonly #kernels: readonly Kernels[]

  /**
   * @param axes         one for each parameter
   * @param observations [n][parameters] samplers' numbers
   * @param weights      [n] of the observations, ≥ 0
   */
  constructor(
    axes: readonly Axis[],
    observations: readonly (readonly number[])[],
    weights: readonly number[],
    options: ParzenOptions,
  ) {
    const all = observations.length === 0 ? [1] : [...weights, options.priorWeight]
    const total = all.reduce((sum, weight) => sum + weight, 0)
    this.#logWeights = Float64Array.from(all, (weight) => Math.log(weight / total))
    this.#scratch = new Float64Array(all.length)
    this.#cumulative = new Float64Array(all.length)
    all.reduce((sum, weight, i) => (this.#cumulative[i] = sum + weight / total), 0)
    this.#kernels = axes.map((axis, column) => {
      const values = observations.map((row) => row[column] as number)
      return axis.kind === 'categorical'
        ? categoricalKernels(axis, values, options)
        : numericKernels(axis, values, options)
    })
  }

  /** @returns [parameters] samplers' numbers */
  sample(rng: Rng): number[] {
    const unit = rng.uniform()
    const found = this.#cumulative.findIndex((sum) => unit < sum)
    const component = found < 0 ? this.#cumulative.length - 1 : found
    return this.#kernels.map((kernels) => kernels.sample(component, rng))
  }

  /** Log density at a point. The same units for every estimator over the same axes, so that differences are ratios. */
  logDensity(point: readonly number[]): number {
    const logs = this.#scratch
    logs.set(this.#logWeights)
    for (let column = 0; column < this.#kernels.length; column++)
      this.#kernels[column]!.addLogDensity(point[column] as number, logs)
    let largest = -Infinity
    for (let i = 0; i < logs.length; i++) if (logs[i]! > largest) largest = logs[i]!
    if (largest === -Infinity) return -Infinity
    let sum = 0
    for (let i = 0; i < logs.length; i++) {
      const below = logs[i]! - largest
      if (below > -40) sum += Math.exp(below) // e⁻⁴⁰ is lost in a double's sum anyway
    }
    return largest + Math.log(sum)
  }
}

/** Component i: (prior · priorWeight / components + [choice i]) normalised; the last one is the prior itself. */
function categoricalKernels(axis: CategoricalAxis, observed: readonly number[], options: ParzenOptions): Kernels {
  const components = observed.length + 1
  const share = observed.length === 0 ? 1 : options.priorWeight / components
  const prior = (index: number): number => axis.weights?.[index] ?? 1 / axis.size
  // As if each choice had been seen `share` times before, whatever the number of choices.
  const pseudo = share * axis.size
  const scale = 1 / (pseudo + 1)
  return {
    addLogDensity(value, into) {
      const mass = prior(value)
      const missed = Math.log(pseudo * mass * scale)
      const met = Math.log((pseudo * mass + 1) * scale)
      for (let i = 0; i < observed.length; i++) into[i] = into[i]! + (observed[i] === value ? met : missed)
      into[observed.length] = into[observed.length]! + Math.log(mass)
    },
    sample(component, rng) {
      const center = observed[component]
      if (center !== undefined && rng.uniform() < scale) return center
      const unit = rng.uniform()
      if (axis.weights === null) return Math.min(axis.size - 1, Math.floor(unit * axis.size))
      let sum = 0
      const found = axis.weights.findIndex((weight) => unit < (sum += weight))
      return found < 0 ? axis.weights.findLastIndex((weight) => weight > 0) : found
    },
  }
}

function numericKernels(axis: NumericAxis, observed: readonly number[], options: ParzenOptions): Kernels {
  const centers = observed.map((value) => coordinateOf(axis, value))
  const prior =
    axis.normal === null
      ? { mean: (axis.lower + axis.upper) / 2, std: axis.upper - axis.lower }
      : { mean: axis.normal.mean, std: axis.normal.std }
  const means = Float64Array.from([...centers, prior.mean])
  const stds = Float64Array.from([...bandwidths(centers, axis, prior, options), prior.std])
  const below = means.map((mean, i) => normalCdf((axis.lower - mean) / stds[i]!))
  const mass = means.map((mean, i) => normalMass((axis.lower - mean) / stds[i]!, (axis.upper - mean) / stds[i]!))
  const logScale = stds.map((std, i) => Math.log(std * mass[i]!))
  return {
    addLogDensity(value, into) {
      const [from, to] = cellOf(axis, value)
      if (axis.step === null) {
        for (let i = 0; i < means.length; i++) {
          const z = (from - means[i]!) / stds[i]!
          into[i] = into[i]! - 0.5 * z * z - logScale[i]!
        }
        return
      }
      for (let i = 0; i < means.length; i++) {
        const mean = means[i]!
        const std = stds[i]!
        into[i] = into[i]! + Math.log(normalMass((from - mean) / std, (to - mean) / std) / mass[i]!)
      }
    },
    sample(component, rng) {
      const quantile = below[component]! + rng.uniform() * mass[component]!
      const z = normalQuantile(Math.min(1 - 2 ** -53, Math.max(2 ** -54, quantile)))
      const coordinate = means[component]! + stds[component]! * z
      return valueAt(axis, Math.min(axis.upper, Math.max(axis.lower, coordinate)))
    },
  }
}

/**
 * The distance to the farther neighbour, at the ends to the only one; clipped to [range / min(100, 2 (n + 2)), range]. The factor 2,
 * which neither hyperopt nor Optuna has, lets the few good trials be followed more closely: see docs/sweeps.md for what it brings.
 */
function bandwidths(
  centers: readonly number[],
  axis: NumericAxis,
  prior: { readonly mean: number; readonly std: number },
  options: ParzenOptions,
): number[] {
  const order = centers.map((_, i) => i).sort((a, b) => centers[a]! - centers[b]!)
  const [first, last] = [centers[order[0]!] ?? 0, centers[order.at(-1)!] ?? 0]
  const lower = Number.isFinite(axis.lower) ? axis.lower : Math.min(first, prior.mean - prior.std)
  const upper = Number.isFinite(axis.upper) ? axis.upper : Math.max(last, prior.mean + prior.std)
  const smallest = options.magicClip ? prior.std / Math.min(100, 2 * (centers.length + 2)) : 1e-12 * prior.std
  const result = new Array<number>(centers.length).fill(prior.std)
  order.forEach((index, place) => {
    const center = centers[index]!
    const left = place > 0 ? center - centers[order[place - 1]!]! : null
    const right = place < order.length - 1 ? centers[order[place + 1]!]! - center : null
    const gap =
      left === null && right === null ? Math.max(center - lower, upper - center) : Math.max(left ?? 0, right ?? 0)
    result[index] = Math.min(prior.std, Math.max(smallest, gap))
  })
  return result
}
