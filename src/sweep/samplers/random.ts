/** Independent draws from the priors. */
import { keyedRng } from '../random.ts'
import { valueAtQuantile } from '../space/axis.ts'
import type { Params, Parameter } from '../space/space.ts'
import type { Sampler, SuggestRequest } from './sampler.ts'

export class RandomSampler implements Sampler {
  readonly name = 'random'

  suggest({ space, seed, number }: SuggestRequest): Params {
    return space.build((parameter) => drawPrior(parameter, seed, number))
  }
}

/** One draw from a parameter's prior, keyed by (seed, trial, name). */
export function drawPrior({ name, axis }: Parameter, seed: number, number: number): number {
  return valueAtQuantile(axis, keyedRng(seed, number, name, 'value').uniform())
}
