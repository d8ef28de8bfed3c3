/**
 * CMA-ES for spaces of numbers alone: a normal distribution whose mean, step size and covariance follow the best half of each
 * generation. Hansen 2016, "The CMA Evolution Strategy: A Tutorial", https://arxiv.org/abs/1604.00772, its default constants.
 *
 * It works in quantiles of the priors, [0, 1] each. Its state is computed anew from the finished trials each time, in generations of
 * λ in the order of their numbers, so that the sampler remembers nothing and a sweep resumes exactly; points that are not its own
 * (enqueued, or drawn before) take part as they are.
 */
import { ConfigError } from '../../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../../util/option-names.ts'
import { eigenSymmetric } from '../eigen.ts'
import { normalQuantile } from '../normal.ts'
import { keyedRng } from '../random.ts'
import { isSingle, quantileOf, valueAtQuantile } from '../space/axis.ts'
import type { Parameter, Params, Space } from '../space/space.ts'
import { asLoss, type Direction, type Trial } from '../trial.ts'
import { drawPrior } from './random.ts'
import type { Sampler, SuggestRequest } from './sampler.ts'

export interface CmaEsOptions {
  /** standard deviation of the first generation, in parts of the range; default 0.3 */
  readonly initialStep?: number
  /** λ, ≥ 4; default 4 + ⌊3 ln d⌋ */
  readonly populationSize?: number
}

interface State {
  mean: number[]
  step: number
  covariance: number[][]
  pathStep: number[]
  pathCovariance: number[]
  generation: number
}

const MAX_REDRAWS = 20

const optionNames: OptionNames<CmaEsOptions> = { initialStep: true, populationSize: true }

export class CmaEsSampler implements Sampler {
  readonly name = 'cma-es'
  readonly #initialStep: number
  readonly #populationSize: number | null

  /** @throws {ConfigError} for an option out of range */
  constructor(options: CmaEsOptions = {}) {
    checkOptionNames('CmaEsSampler', options, optionNames)
    const { initialStep = 0.3, populationSize } = options
    if (!(initialStep > 0 && initialStep <= 1))
      throw new ConfigError(`cma-es sampler: expected 0 < initialStep ≤ 1, got ${initialStep}.`)
    if (populationSize !== undefined && (!Number.isSafeInteger(populationSize) || populationSize < 4))
      throw new ConfigError(`cma-es sampler: expected populationSize to be a whole number ≥ 4, got ${populationSize}.`)
    this.#initialStep = initialStep
    this.#populationSize = populationSize ?? null
  }

  check(space: Space, directions: readonly Direction[]): void {
    const other = space.parameters.find(({ axis, when }) => axis.kind !== 'numeric' || when !== null)
    if (other !== undefined)
      throw new ConfigError(
        `cma-es sampler: expected numbers that always exist, got "${other.name}", which is ` +
          `${other.when === null ? 'categorical' : 'conditional'}. Use the tpe sampler.`,
      )
    if (directions.length > 1)
      throw new ConfigError(`cma-es sampler: expected one objective, got ${directions.length}. Use the tpe sampler.`)
  }

  suggest({ space, directions, history, number, seed }: SuggestRequest): Params {
    this.check(space, directions)
    const open = space.parameters.filter(({ axis }) => !isSingle(axis))
    const point = this.#draw(this.#stateAfter(open, space, history, directions), open.length, number, seed)
    return space.build((parameter) => {
      const column = open.indexOf(parameter)
      return column < 0 ? drawPrior(parameter, seed, number) : valueAtQuantile(parameter.axis, point[column]!)
    })
  }

  #stateAfter(
    open: readonly Parameter[],
    space: Space,
    history: readonly Trial[],
    directions: readonly Direction[],
  ): State {
    const dimensions = open.length
    const lambda = this.#populationSize ?? 4 + Math.floor(3 * Math.log(Math.max(1, dimensions)))
    let state: State = {
      mean: new Array<number>(dimensions).fill(0.5),
      step: this.#initialStep,
      covariance: identity(dimensions),
      pathStep: new Array<number>(dimensions).fill(0),
      pathCovariance: new Array<number>(dimensions).fill(0),
      generation: 0,
    }
    const evaluated = history.flatMap((trial) => {
      if (trial.state !== 'complete') return []
      const x = open.map((parameter) => quantileOf(parameter.axis, space.numberOf(parameter, trial.params) as number))
      return [{ x, loss: asLoss(trial.values![0]!, directions[0]!) }]
    })
    for (let from = 0; from + lambda <= evaluated.length; from += lambda) {
      const generation = evaluated.slice(from, from + lambda).sort((a, b) => a.loss - b.loss)
      state = update(
        state,
        generation.map(({ x }) => x),
      )
    }
    return state
  }

  /** A point inside the unit cube; the last try is clipped. */
  #draw(state: State, dimensions: number, number: number, seed: number): number[] {
    const { values, vectors } = eigenSymmetric(state.covariance)
    const rng = keyedRng(seed, number, '', 'normal')
    for (let attempt = 0; ; attempt++) {
      const z = Array.from({ length: dimensions }, () => normalQuantile(Math.max(2 ** -54, rng.uniform())))
      const scaled = z.map((value, k) => value * Math.sqrt(Math.max(0, values[k]!)))
      const x = state.mean.map(
        (mean, i) => mean + state.step * scaled.reduce((sum, value, k) => sum + vectors[i]![k]! * value, 0),
      )
      const inside = x.every((value) => value >= 0 && value < 1)
      if (inside || attempt === MAX_REDRAWS) return x.map((value) => Math.min(1 - 2 ** -53, Math.max(0, value)))
    }
  }
}

/** One generation, best first: equations 5–17 of the tutorial's summary (appendix A). */
function update(state: State, points: readonly (readonly number[])[]): State {
  const d = state.mean.length
  const mu = Math.floor(points.length / 2)
  const raw = Array.from({ length: mu }, (_, i) => Math.log((points.length + 1) / 2) - Math.log(i + 1))
  const sum = raw.reduce((a, b) => a + b, 0)
  const weights = raw.map((weight) => weight / sum)
  const effective = 1 / weights.reduce((a, b) => a + b * b, 0)
  const cStep = (effective + 2) / (d + effective + 5)
  const damping = 1 + 2 * Math.max(0, Math.sqrt((effective - 1) / (d + 1)) - 1) + cStep
  const cPath = (4 + effective / d) / (d + 4 + (2 * effective) / d)
  const cOne = 2 / ((d + 1.3) ** 2 + effective)
  const cMu = Math.min(1 - cOne, (2 * (effective - 2 + 1 / effective)) / ((d + 2) ** 2 + effective))
  const expected = Math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d))

  const steps = points.slice(0, mu).map((point) => point.map((value, i) => (value - state.mean[i]!) / state.step))
  const shift = state.mean.map((_, i) => steps.reduce((total, y, k) => total + weights[k]! * y[i]!, 0))
  const whitened = multiplyInverseRoot(state.covariance, shift)
  const pathStep = state.pathStep.map(
    (value, i) => (1 - cStep) * value + Math.sqrt(cStep * (2 - cStep) * effective) * whitened[i]!,
  )
  const length = Math.hypot(...pathStep)
  const generation = state.generation + 1
  const steady = length / Math.sqrt(1 - (1 - cStep) ** (2 * generation)) < (1.4 + 2 / (d + 1)) * expected ? 1 : 0
  const pathCovariance = state.pathCovariance.map(
    (value, i) => (1 - cPath) * value + steady * Math.sqrt(cPath * (2 - cPath) * effective) * shift[i]!,
  )
  const lost = (1 - steady) * cPath * (2 - cPath)
  const covariance = state.covariance.map((row, i) =>
    row.map((value, j) => {
      const rankMu = steps.reduce((total, y, k) => total + weights[k]! * y[i]! * y[j]!, 0)
      return (1 - cOne - cMu + cOne * lost) * value + cOne * pathCovariance[i]! * pathCovariance[j]! + cMu * rankMu
    }),
  )
  const growth = Math.exp((cStep / damping) * (length / expected - 1))
  return {
    mean: state.mean.map((value, i) => value + state.step * shift[i]!),
    step: Math.min(1, state.step * growth),
    covariance,
    pathStep,
    pathCovariance,
    generation,
  }
}

/** C^(−1/2) · vector */
function multiplyInverseRoot(matrix: readonly (readonly number[])[], vector: readonly number[]): number[] {
  const { values, vectors } = eigenSymmetric(matrix)
  const along = values.map(
    (value, k) => vector.reduce((sum, x, i) => sum + vectors[i]![k]! * x, 0) / Math.sqrt(Math.max(value, 1e-20)),
  )
  return vector.map((_, i) => along.reduce((sum, value, k) => sum + vectors[i]![k]! * value, 0))
}

function identity(d: number): number[][] {
  return Array.from({ length: d }, (_, i) => Array.from({ length: d }, (_, j) => (i === j ? 1 : 0)))
}
