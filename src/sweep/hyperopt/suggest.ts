/** hyperopt's algorithms: `algo: tpe.suggest`, `algo: rand.suggest`, and options by `partial(tpe.suggest, { gamma: 0.15 })`. */
import { RandomSampler } from '../samplers/random.ts'
import type { Sampler } from '../samplers/sampler.ts'
import { TpeSampler } from '../samplers/tpe.ts'
import { ConfigError } from '../../util/errors.ts'
import { checkSuggestOptions, preview, tpeOptions } from './check-options.ts'

/** Makes the sampler of one search. */
export type Algorithm = (options?: TpeSuggestOptions) => Sampler

/** In hyperopt's names. */
export interface TpeSuggestOptions {
  /** trials drawn from the prior first; default 10 (hyperopt: 20) */
  readonly n_startup_jobs?: number
  /** default 64 (hyperopt: 24) */
  readonly n_EI_candidates?: number
  /** how many trials count as good: ⌈gamma · √n⌉, at most 25. Default: ⌈n / 10⌉ */
  readonly gamma?: number
  readonly prior_weight?: number
}

/** Tree-structured Parzen estimator. */
export const tpe: { readonly suggest: Algorithm } = {
  suggest(options = {}) {
    checkSuggestOptions('tpe.suggest', options, tpeOptions)
    const { n_startup_jobs, n_EI_candidates, gamma, prior_weight } = options
    return new TpeSampler({
      ...(n_startup_jobs === undefined ? {} : { startupTrials: n_startup_jobs }),
      ...(n_EI_candidates === undefined ? {} : { candidates: n_EI_candidates }),
      ...(prior_weight === undefined ? {} : { priorWeight: prior_weight }),
      ...(gamma === undefined ? {} : { gamma: gammaOf(gamma) }),
    })
  },
}

/** Independent draws. */
export const rand: { readonly suggest: Algorithm } = {
  suggest(options = {}) {
    checkSuggestOptions('rand.suggest', options, {})
    return new RandomSampler()
  },
}

/** An algorithm with options of its own, as functools.partial makes it. */
export function partial(algorithm: Algorithm, options: TpeSuggestOptions): Algorithm {
  if (typeof algorithm !== 'function')
    throw new ConfigError(`partial: expected tpe.suggest or rand.suggest first, got ${preview(algorithm)}.`)
  checkSuggestOptions('partial', options, tpeOptions)
  return (more) => algorithm({ ...options, ...more })
}

function gammaOf(gamma: number): (finished: number) => number {
  return (finished) => Math.min(25, Math.ceil(gamma * Math.sqrt(finished)))
}
