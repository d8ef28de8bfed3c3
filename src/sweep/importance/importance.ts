/** How much each parameter matters for an objective, and what a forest grown on the trials expects at a place of the space. */
import { quantileOf } from '../space/axis.ts'
import type { Parameter, Space } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import { growForest, mainEffects, marginalMean, type Forest } from './fanova.ts'
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

/**
 * Main effects by fANOVA, normalised to sum 1, the greatest first. A parameter that only some trials have is compared with all that
 * those trials share, in a forest of their own.
 *
 * @param objective index of the value
 * @returns empty when there are too few complete trials, or their values are all equal
 */
export function parameterImportance(space: Space, trials: readonly Trial[], objective = 0): Importance[] {
  const complete = trials.filter(({ state }) => state === 'complete')
  const everywhere = space.parameters.filter((parameter) => complete.every((trial) => has(space, parameter, trial)))
  const common = sharesOf(space, everywhere, complete, objective)
  const conditional = space.parameters
    .filter((parameter) => !everywhere.includes(parameter))
    .flatMap((parameter) => {
      const having = complete.filter((trial) => has(space, parameter, trial))
      const beside = space.parameters.filter((other) => having.every((trial) => has(space, other, trial)))
      return sharesOf(space, beside, having, objective).filter(({ parameter: name }) => name === parameter.name)
    })
  return [...common, ...conditional].sort((a, b) => b.share - a.share)
}

/** A forest over parameters that all its trials have. */
export class Surrogate {
  readonly parameters: readonly Parameter[]
  readonly dimensions: readonly Dimension[]
  readonly forest: Forest

  constructor(space: Space, parameters: readonly Parameter[], trials: readonly Trial[], objective: number) {
    this.parameters = parameters
    this.dimensions = parameters.map(dimensionOf)
    this.forest = growForest({
      dimensions: this.dimensions,
      points: trials.map((trial) => parameters.map((parameter) => placeOf(space, parameter, trial) as number)),
      targets: trials.map((trial) => trial.values![objective]!),
    })
  }

  /** The expected objective at places of some parameters, averaged over the others. */
  expected(...at: readonly (readonly [parameter: Parameter, place: number])[]): number {
    const places = at.map(([parameter, place]) => [this.parameters.indexOf(parameter), place] as const)
    return marginalMean(this.forest, this.dimensions, places)
  }
}

/** A parameter's value as a place in [0, 1] (the quantile of its prior), or the index of a choice; null where the trial has none. */
export function placeOf(space: Space, parameter: Parameter, { params }: Trial): number | null {
  const value = space.numberOf(parameter, params)
  return value === null || parameter.axis.kind === 'categorical' ? value : quantileOf(parameter.axis, value)
}

function has(space: Space, parameter: Parameter, { params }: Trial): boolean {
  return space.numberOf(parameter, params) !== null
}

function sharesOf(
  space: Space,
  parameters: readonly Parameter[],
  trials: readonly Trial[],
  objective: number,
): Importance[] {
  const values = new Set(trials.map((trial) => trial.values![objective]))
  if (trials.length < LEAST_TRIALS || values.size < 2 || parameters.length === 0) return []
  const { forest, dimensions } = new Surrogate(space, parameters, trials, objective)
  const effects = mainEffects(forest, dimensions)
  const total = effects.reduce((sum, effect) => sum + effect, 0)
  if (total === 0) return []
  return parameters.map(({ name }, i) => ({ parameter: name, share: effects[i]! / total, trials: trials.length }))
}

function dimensionOf({ axis }: Parameter): Dimension {
  if (axis.kind === 'numeric') return { kind: 'numeric' }
  const { size, weights } = axis
  return { kind: 'categorical', probabilities: weights ?? Array.from({ length: size }, () => 1 / size) }
}
