/**
 * Tree-structured Parzen estimator: densities of the good and of the other trials, and of a number of candidates drawn from the
 * first the one with the largest ratio.
 *
 * Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; Bergstra et al. 2013 (hyperopt); Watanabe 2023,
 * https://arxiv.org/abs/2304.11127. Parameters that exist under the same conditions are drawn together (multivariate); those that
 * exist only with some choices are drawn after them, from the trials that had them.
 */
import { ConfigError } from '../../util/errors.ts'
import { checkOptionNames, type OptionNames } from '../../util/option-names.ts'
import { keyedRng } from '../random.ts'
import { isSingle } from '../space/axis.ts'
import { canonicalJson } from '../space/distribution.ts'
import type { Parameter, Params, Space } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import { ParzenEstimator } from './parzen.ts'
import { drawPrior } from './random.ts'
import type { Sampler, SuggestRequest } from './sampler.ts'
import { splitTrials } from './split.ts'

export interface TpeOptions {
  /** trials drawn from the prior first; default 10 */
  readonly startupTrials?: number
  /** candidates of which the best is taken; default 64 */
  readonly candidates?: number
  /** how many of n finished trials count as good; default ⌈n / 10⌉, at most 25 */
  readonly gamma?: (finished: number) => number
  /** weight of the prior against an observation; default 1 */
  readonly priorWeight?: number
  /** draw parameters together; false: one by one, as hyperopt does. Default true */
  readonly multivariate?: boolean
  /** default true */
  readonly magicClip?: boolean
  /** count running trials as bad, so that parallel workers keep away from each other; default true */
  readonly constantLiar?: boolean
}

const optionNames: OptionNames<TpeOptions> = {
  startupTrials: true,
  candidates: true,
  gamma: true,
  priorWeight: true,
  multivariate: true,
  magicClip: true,
  constantLiar: true,
}

export class TpeSampler implements Sampler {
  readonly name = 'tpe'
  readonly #options: Required<TpeOptions>
  #groups: { readonly space: Space; readonly groups: readonly (readonly Parameter[])[] } | null = null

  /** @throws {ConfigError} for an option out of range */
  constructor(options: TpeOptions = {}) {
    checkOptionNames('TpeSampler', options, optionNames)
    this.#options = {
      startupTrials: options.startupTrials ?? 10,
      candidates: options.candidates ?? 64,
      gamma: options.gamma ?? ((finished) => Math.min(25, Math.ceil(0.1 * finished))),
      priorWeight: options.priorWeight ?? 1,
      multivariate: options.multivariate ?? true,
      magicClip: options.magicClip ?? true,
      constantLiar: options.constantLiar ?? true,
    }
    const whole = (name: 'startupTrials' | 'candidates', least: number): void => {
      const value = this.#options[name]
      if (!Number.isSafeInteger(value) || value < least)
        throw new ConfigError(`tpe sampler: expected ${name} to be a whole number ≥ ${least}, got ${value}.`)
    }
    whole('startupTrials', 0)
    whole('candidates', 1)
    const { priorWeight } = this.#options
    if (!(priorWeight > 0 && priorWeight < Infinity))
      throw new ConfigError(`tpe sampler: expected priorWeight > 0, got ${priorWeight}.`)
  }

  suggest(request: SuggestRequest): Params {
    const { space, history, seed, number, directions } = request
    const known = history.filter((trial) => trial.state === 'complete' || trial.state === 'pruned').length
    if (known < Math.max(1, this.#options.startupTrials))
      return space.build((parameter) => drawPrior(parameter, seed, number))
    const { good, other } = splitTrials(history, directions, this.#options)
    const drawn = new Map<string, number>()
    const groupOf = new Map(this.#groupsOf(space).flatMap((group) => group.map(({ name }) => [name, group] as const)))
    return space.build((parameter) => {
      const ready = drawn.get(parameter.name)
      if (ready !== undefined) return ready
      const group = groupOf.get(parameter.name) as readonly Parameter[]
      this.#drawGroup(group, good, other, request).forEach((value, i) => drawn.set(group[i]!.name, value))
      return drawn.get(parameter.name) as number
    })
  }

  /** Parameters that exist under the same conditions; each alone when not multivariate. */
  #groupsOf(space: Space): readonly (readonly Parameter[])[] {
    if (this.#groups?.space !== space) {
      const groups = new Map<string, Parameter[]>()
      for (const parameter of space.parameters) {
        const key = this.#options.multivariate ? canonicalJson(parameter.when) : parameter.name
        groups.set(key, [...(groups.get(key) ?? []), parameter])
      }
      this.#groups = { space, groups: [...groups.values()] }
    }
    return this.#groups.groups
  }

  #drawGroup(
    group: readonly Parameter[],
    good: readonly Trial[],
    other: readonly Trial[],
    request: SuggestRequest,
  ): number[] {
    const { space, seed, number } = request
    const open = group.filter(({ axis }) => !isSingle(axis))
    const estimator = (trials: readonly Trial[]): ParzenEstimator => {
      const rows = trials.flatMap((trial) => {
        const row = open.map((parameter) => space.numberOf(parameter, trial.params))
        return row.includes(null) ? [] : [row as number[]]
      })
      return new ParzenEstimator(
        open.map(({ axis }) => axis),
        rows,
        ageWeights(rows.length),
        this.#options,
      )
    }
    const [lower, upper] = [estimator(good), estimator(other)]
    const rng = keyedRng(seed, number, group.map(({ name }) => name).join('\0'), 'candidate')
    let best: number[] = []
    let bestRatio = -Infinity
    for (let i = 0; i < this.#options.candidates && open.length > 0; i++) {
      const candidate = lower.sample(rng)
      const ratio = lower.logDensity(candidate) - upper.logDensity(candidate)
      if (best.length > 0 && !(ratio > bestRatio)) continue
      best = candidate
      bestRatio = ratio
    }
    return group.map((parameter) => {
      const column = open.indexOf(parameter)
      return column < 0 ? drawPrior(parameter, seed, number) : best[column]!
    })
  }
}

/** The newest 25 weigh 1, older ones less, down to 1/n for the first. */
function ageWeights(count: number): number[] {
  const older = count - 25
  if (older <= 0) return new Array<number>(count).fill(1)
  const ramp = (i: number): number => (older === 1 ? 1 / count : 1 / count + ((1 - 1 / count) * i) / (older - 1))
  return Array.from({ length: count }, (_, i) => (i < older ? ramp(i) : 1))
}
