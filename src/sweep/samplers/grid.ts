/**
 * Every combination once, in the order of the space, the last parameter fastest. Continuous parameters are cut into `points` values
 * spread evenly over the prior (both bounds included); those of a grid or with few values are taken as they are.
 */
import { ConfigError } from '../../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../../util/option-names.ts'
import { fromNumber, valueAtQuantile, type Axis } from '../space/axis.ts'
import { canonicalJson, type Json } from '../space/distribution.ts'
import type { Params, Parameter, Space } from '../space/space.ts'
import type { Sampler, SuggestRequest } from './sampler.ts'

export interface GridOptions {
  /** values of each continuous parameter, ≥ 2; default 5 */
  readonly points?: number
}

const LARGEST_GRID = 1_000_000

const optionNames: OptionNames<GridOptions> = { points: true }

export class GridSampler implements Sampler {
  readonly name = 'grid'
  readonly #points: number
  /** grids made before; each depends on its space alone */
  readonly #grids = new WeakMap<Space, Grid>()

  /** @throws {ConfigError} when `points` is not a whole number ≥ 2 */
  constructor(options: GridOptions = {}) {
    checkOptionNames('GridSampler', options, optionNames)
    const { points = 5 } = options
    if (!Number.isSafeInteger(points) || points < 2)
      throw new ConfigError(`grid sampler: expected points to be a whole number ≥ 2, got ${points}.`)
    this.#points = points
  }

  check(space: Space): void {
    const size = this.size(space)
    if (size > LARGEST_GRID)
      throw new ConfigError(
        `grid sampler: expected at most ${LARGEST_GRID} combinations, the space has ${size}. ` +
          'Give fewer points or use another sampler.',
      )
  }

  /** How many combinations the grid has. */
  size(space: Space): number {
    return this.#gridOf(space).size
  }

  suggest({ space, number, history }: SuggestRequest): Params | null {
    // Trials that were enqueued by hand took numbers, and no place of the grid.
    const enqueued = history.filter((trial) => trial.attributes['enqueued'] === true).length
    return this.#gridOf(space).at(number - enqueued)
  }

  #gridOf(space: Space): Grid {
    const known = this.#grids.get(space)
    if (known !== undefined) return known
    const grid = new Grid(space, this.#points)
    this.#grids.set(space, grid)
    return grid
  }
}

/** Combinations counted, not listed: a branch's size is known from the values that decide what exists in it. */
class Grid {
  readonly #space: Space
  readonly #values: readonly (readonly Json[])[]
  /** by parameter: those above it on which it or a later one depends */
  readonly #deciding: readonly (readonly string[])[]
  readonly #counts = new Map<string, number>()

  constructor(space: Space, points: number) {
    this.#space = space
    this.#values = space.parameters.map((parameter) => valuesOf(parameter, points))
    this.#deciding = space.parameters.map((_, i) =>
      space.parameters.slice(i).flatMap(({ when }) => when?.flat().map((condition) => condition.parameter) ?? []),
    )
  }

  get size(): number {
    return this.#count(0, {})
  }

  at(index: number): Params | null {
    if (index >= this.size) return null
    let rest = index
    let params: Params = {}
    this.#space.parameters.forEach((parameter, i) => {
      if (!this.#space.isActive(parameter, params)) return
      for (const value of this.#values[i]!) {
        const next = { ...params, [parameter.name]: value }
        const count = this.#count(i + 1, next)
        if (rest < count) {
          params = next
          return
        }
        rest -= count
      }
    })
    return params
  }

  /** Combinations of parameters from `i` on, given those before. */
  #count(i: number, params: Params): number {
    const parameter = this.#space.parameters[i]
    if (parameter === undefined) return 1
    const key = `${i} ${canonicalJson(this.#deciding[i]!.map((name) => (Object.hasOwn(params, name) ? [params[name]] : [])))}`
    let count = this.#counts.get(key)
    if (count === undefined) {
      const values = this.#space.isActive(parameter, params) ? this.#values[i]! : null
      count =
        values === null
          ? this.#count(i + 1, params)
          : values.reduce((sum: number, value) => sum + this.#count(i + 1, { ...params, [parameter.name]: value }), 0)
      this.#counts.set(key, count)
    }
    return count
  }
}

function valuesOf({ axis, distribution }: Parameter, points: number): Json[] {
  return numbersOf(axis, points).map((value) => fromNumber(distribution, value))
}

function numbersOf(axis: Axis, points: number): number[] {
  if (axis.kind === 'categorical') return Array.from({ length: axis.size }, (_, index) => index)
  if (axis.step !== null && (axis.high - axis.low) / axis.step + 1 <= Math.max(points, 2)) {
    const count = Math.round((axis.high - axis.low) / axis.step) + 1
    return Array.from({ length: count }, (_, index) => Number((axis.low + index * axis.step!).toPrecision(15)))
  }
  // Bounds included where there are bounds; the ends of a normal prior are its 2.5 % and 97.5 % quantiles.
  const [from, to] = axis.normal === null ? [0, 1] : [0.025, 0.975]
  const spread = Array.from({ length: points }, (_, index) => from + ((to - from) * index) / (points - 1))
  return [...new Set(spread.map((unit) => valueAtQuantile(axis, unit)))]
}
