/** How much each parameter matters for an objective, and what a forest grown on the trials expects at a place of the space. */
import { quantileOf } from '../space/axis.ts'
import type { Parameter, Space } from '../space/space.ts'
import type { Direction, Trial } from '../trial.ts'
import { growForest, mainEffects, marginalMeans, type Along, type Forest } from './fanova.ts'
import type { Dimension } from './tree.ts'

export interface Importance {
  readonly parameter: string
  /** in [0, 1]; those of parameters that every trial has sum to 1 */
  readonly share: number
  /** complete trials that it was computed from: all, or for a conditional parameter those that had it */
  readonly trials: number
}

/** Fewer complete trials say nothing about importance. */
export const LEAST_TRIALS = 4

/** Beyond so many, unordered whole numbers (seeds) are taken as a range: a category that was hardly tried says nothing. */
const MOST_CATEGORIES = 64

/**
 * Main effects by fANOVA, normalised to sum 1, the greatest first. A parameter that only some trials have is compared with all that
 * those trials share, in a forest of their own.
 *
 * @param objective index of the value
 * @returns empty when there are too few complete trials, or their values are all equal
 */
export function parameterImportance(
  space: Space,
  trials: readonly Trial[],
  direction: Direction,
  objective = 0,
): Importance[] {
  const complete = trials.filter(({ state }) => state === 'complete')
  const everywhere = space.parameters.filter((parameter) => complete.every((trial) => has(space, parameter, trial)))
  const common = sharesOf(space, everywhere, complete, objective, direction)
  const conditional = space.parameters
    .filter((parameter) => !everywhere.includes(parameter))
    .flatMap((parameter) => {
      const having = complete.filter((trial) => has(space, parameter, trial))
      const beside = space.parameters.filter((other) => having.every((trial) => has(space, other, trial)))
      return sharesOf(space, beside, having, objective, direction).filter(
        ({ parameter: name }) => name === parameter.name,
      )
    })
  return [...common, ...conditional].sort((a, b) => b.share - a.share)
}

/** Losses over a factor of 20 are compared by their logarithm: otherwise the worst trial alone would be the variance. */
export function spansMagnitudes(values: readonly number[], direction: Direction): boolean {
  const low = Math.min(...values)
  return direction === 'minimize' && low > 0 && Math.max(...values) / low >= 20
}

/** A forest over parameters that all its trials have. */
export class Surrogate {
  readonly parameters: readonly Parameter[]
  readonly dimensions: readonly Dimension[]
  readonly forest: Forest

  readonly #log: boolean

  constructor(
    space: Space,
    parameters: readonly Parameter[],
    trials: readonly Trial[],
    objective: number,
    direction: Direction,
  ) {
    this.parameters = parameters
    this.dimensions = parameters.map(dimensionOf)
    const targets = trials.map((trial) => trial.values![objective]!)
    this.#log = spansMagnitudes(targets, direction)
    this.forest = growForest({
      dimensions: this.dimensions,
      points: trials.map((trial) =>
        parameters.map((parameter) => placeOfNumber(parameter, space.numberOf(parameter, trial.params)!)),
      ),
      targets: this.#log ? targets.map(Math.log) : targets,
    })
  }

  /** The expected objective at places of one parameter or of two, averaged over the others: [places of first][places of second]. */
  expected(first: PlacesOf, second: PlacesOf | null = null): number[][] {
    const along = ({ parameter, places }: PlacesOf): Along => ({
      dimension: this.parameters.indexOf(parameter),
      places,
    })
    const means = marginalMeans(this.forest, this.dimensions, along(first), second === null ? null : along(second))
    return this.#log ? means.map((row) => row.map(Math.exp)) : means
  }
}

export interface PlacesOf {
  readonly parameter: Parameter
  /** as placeOfNumber gives them */
  readonly places: readonly number[]
}

/** A sampler's number as a place in [0, 1] (the quantile of its prior), or the index of a choice as it is. */
export function placeOfNumber({ axis }: Parameter, number: number): number {
  return axis.kind === 'categorical' && axis.size <= MOST_CATEGORIES ? number : quantileOf(axis, number)
}

function has(space: Space, parameter: Parameter, { params }: Trial): boolean {
  return space.numberOf(parameter, params) !== null
}

function sharesOf(
  space: Space,
  parameters: readonly Parameter[],
  trials: readonly Trial[],
  objective: number,
  direction: Direction,
): Importance[] {
  const values = new Set(trials.map((trial) => trial.values![objective]))
  if (trials.length < LEAST_TRIALS || values.size < 2 || parameters.length === 0) return []
  const { forest, dimensions } = new Surrogate(space, parameters, trials, objective, direction)
  const effects = mainEffects(forest, dimensions)
  const total = effects.reduce((sum, effect) => sum + effect, 0)
  if (total === 0) return []
  return parameters.map(({ name }, i) => ({ parameter: name, share: effects[i]! / total, trials: trials.length }))
}

function dimensionOf({ axis }: Parameter): Dimension {
  if (axis.kind === 'numeric' || axis.size > MOST_CATEGORIES) return { kind: 'numeric' }
  const { size, weights } = axis
  return { kind: 'categorical', probabilities: weights ?? Array.from({ length: size }, () => 1 / size) }
}
