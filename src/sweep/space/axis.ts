/**
 * A distribution as the samplers see it: a number line with a prior, or a set of labelled points. All conversions between a stored
 * value and the coordinate in which its prior is simple are here.
 */
import { normalCdf, normalQuantile } from '../normal.ts'
import { canonicalJson, type CategoricalDistribution, type Distribution, type Json } from './distribution.ts'

/** Where a numeric parameter lives. Coordinates are natural logarithms when `log`. */
export interface NumericAxis {
  readonly kind: 'numeric'
  /** domain of the coordinate; infinite for normal priors */
  readonly lower: number
  readonly upper: number
  /** null: uniform over the domain */
  readonly normal: { readonly mean: number; readonly std: number } | null
  readonly log: boolean
  /** null: continuous. Values are base + k · step */
  readonly step: number | null
  readonly base: number
  /** smallest and largest value */
  readonly low: number
  readonly high: number
}

/** Points without an order, numbered from 0. */
export interface CategoricalAxis {
  readonly kind: 'categorical'
  readonly size: number
  /** prior probabilities that sum to 1; null: all equal */
  readonly weights: readonly number[] | null
}

export type Axis = NumericAxis | CategoricalAxis

export function axisOf(distribution: Distribution): Axis {
  switch (distribution.type) {
    case 'categorical': {
      const { choices, weights } = distribution
      const total = weights?.reduce((sum, weight) => sum + weight, 0) ?? 1
      return { kind: 'categorical', size: choices.length, weights: weights?.map((weight) => weight / total) ?? null }
    }
    case 'randint':
      return { kind: 'categorical', size: distribution.high - distribution.low, weights: null }
    case 'float':
    case 'int':
      return boundedAxis(distribution)
    case 'quantized': {
      const { low, high, step, log = false } = distribution
      const round = (value: number): number => onGrid(log ? Math.exp(value) : value, 0, step)
      return { ...numeric, lower: low, upper: high, log, step, low: round(low), high: round(high) }
    }
    case 'normal': {
      const { mean, std, log = false, step } = distribution
      const low = log ? 0 : -Infinity
      return { ...numeric, lower: -Infinity, upper: Infinity, normal: { mean, std }, log, step: step ?? null, low }
    }
  }
}

const numeric: Omit<NumericAxis, 'lower' | 'upper'> = {
  kind: 'numeric',
  normal: null,
  log: false,
  step: null,
  base: 0,
  low: -Infinity,
  high: Infinity,
}

/** The grid's end points get cells as wide as the others: the domain reaches half a step beyond them. */
function boundedAxis(distribution: Extract<Distribution, { type: 'float' | 'int' }>): NumericAxis {
  const { low, log = false } = distribution
  const step = distribution.step ?? (distribution.type === 'int' ? 1 : null)
  const high = step === null ? distribution.high : low + Math.floor((distribution.high - low) / step + 1e-9) * step
  const half = step === null ? 0 : step / 2
  const coordinate = (value: number): number => (log ? Math.log(value) : value)
  return { ...numeric, lower: coordinate(low - half), upper: coordinate(high + half), log, step, base: low, low, high }
}

/** Whether only one value can ever be drawn. */
export function isSingle(axis: Axis): boolean {
  return axis.kind === 'categorical' ? axis.size === 1 : axis.low === axis.high
}

/** The coordinate of a value; a grid value's is that of the middle of its cell. */
export function coordinateOf(axis: NumericAxis, value: number): number {
  // The cell of 0 is (0, step / 2], and its middle the middle of its values: the logarithm has none.
  const atZero = axis.log && axis.step !== null && value <= 0
  const inside = axis.log ? Math.log(atZero ? axis.step / 4 : value) : value
  return Math.min(axis.upper, Math.max(axis.lower, inside))
}

/** The value at a coordinate, rounded to the grid and held inside the bounds. */
export function valueAt(axis: NumericAxis, coordinate: number): number {
  // exp(log(bound)) is not always the bound
  if (coordinate <= axis.lower) return axis.low
  if (coordinate >= axis.upper) return axis.high
  const raw = axis.log ? Math.exp(coordinate) : coordinate
  const value = axis.step === null ? raw : onGrid(raw, axis.base, axis.step)
  return Math.min(axis.high, Math.max(axis.low, value))
}

/** The coordinates that round to `value`; the same number twice on a continuous axis. */
export function cellOf(axis: NumericAxis, value: number): readonly [from: number, to: number] {
  if (axis.step === null) {
    const at = coordinateOf(axis, value)
    return [at, at]
  }
  const edge = (position: number): number => (axis.log ? Math.log(Math.max(position, 0)) : position)
  const from = Math.max(axis.lower, edge(value - axis.step / 2))
  const to = Math.min(axis.upper, edge(value + axis.step / 2))
  return [from, to]
}

/** The value at a quantile of the prior, `unit` in [0, 1). */
export function valueAtQuantile(axis: Axis, unit: number): number {
  if (axis.kind === 'categorical') return indexAtQuantile(axis, unit)
  if (axis.normal !== null) {
    // 2⁻⁵⁴: the quantile of 0 is minus infinity
    return valueAt(axis, axis.normal.mean + axis.normal.std * normalQuantile(Math.max(unit, 2 ** -54)))
  }
  return valueAt(axis, axis.lower + unit * (axis.upper - axis.lower))
}

/** The quantile of a value, the middle one where it stands for a range. The inverse of `valueAtQuantile` up to rounding. */
export function quantileOf(axis: Axis, value: number): number {
  if (axis.kind === 'categorical') {
    if (axis.weights === null) return (value + 0.5) / axis.size
    const below = axis.weights.slice(0, value).reduce((sum, weight) => sum + weight, 0)
    return below + (axis.weights[value] ?? 0) / 2
  }
  const at = coordinateOf(axis, value)
  if (axis.normal !== null) return normalCdf((at - axis.normal.mean) / axis.normal.std)
  return axis.upper === axis.lower ? 0.5 : (at - axis.lower) / (axis.upper - axis.lower)
}

function indexAtQuantile({ size, weights }: CategoricalAxis, unit: number): number {
  if (weights === null) return Math.min(size - 1, Math.floor(unit * size))
  let sum = 0
  for (let index = 0; index < size; index++) {
    sum += weights[index] ?? 0
    if (unit < sum) return index
  }
  return weights.findLastIndex((weight) => weight > 0)
}

/** base + round((value − base) / step) · step, without the tail of digits that binary fractions leave (0.1 · 3). */
function onGrid(value: number, base: number, step: number): number {
  const exact = base + Math.round((value - base) / step) * step
  return Number.isInteger(base) && Number.isInteger(step) ? Math.round(exact) : Number(exact.toPrecision(15))
}

/**
 * The number that samplers use for a stored value: the value itself, or the index of a choice. Null when the value does not belong
 * to the distribution.
 */
export function toNumber(distribution: Distribution, value: Json, axis: Axis = axisOf(distribution)): number | null {
  if (distribution.type === 'categorical') {
    const same = distribution.choices.indexOf(value)
    return same >= 0 ? same : (indicesOf(distribution).get(canonicalJson(value)) ?? null)
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) return null
  if (distribution.type === 'randint') {
    const inside = Number.isInteger(value) && value >= distribution.low && value < distribution.high
    return inside ? value - distribution.low : null
  }
  if (axis.kind === 'categorical') return null
  const slack = 1e-9 * Math.max(1, Math.abs(value))
  if (value < axis.low - slack || value > axis.high + slack) return null
  if (axis.step !== null) {
    const nearest = onGrid(value, axis.base, axis.step)
    if (Math.abs(nearest - value) > 1e-9 * Math.max(axis.step, Math.abs(value))) return null
  }
  return value
}

/** Choices by their JSON; remembered, since reading objects back takes long and a distribution does not change. */
function indicesOf(distribution: CategoricalDistribution): ReadonlyMap<string, number> {
  let indices = choiceIndices.get(distribution)
  if (indices === undefined) {
    indices = new Map(distribution.choices.map((choice, index) => [canonicalJson(choice), index]))
    choiceIndices.set(distribution, indices)
  }
  return indices
}

const choiceIndices = new WeakMap<CategoricalDistribution, ReadonlyMap<string, number>>()

/** The stored value for a sampler's number; the inverse of `toNumber`. */
export function fromNumber(distribution: Distribution, value: number): Json {
  if (distribution.type === 'categorical') return distribution.choices[value] as Json
  return distribution.type === 'randint' ? distribution.low + value : value
}
