/** Samplers by name. A new one: one file here, one line below, one `samplerSuite` line in its test. */
import { CmaEsSampler } from './cma-es.ts'
import { GridSampler } from './grid.ts'
import { QuasiRandomSampler } from './quasi-random.ts'
import { RandomSampler } from './random.ts'
import type { Sampler } from './sampler.ts'
import { TpeSampler } from './tpe.ts'

export type { Sampler, SuggestRequest } from './sampler.ts'
export { CmaEsSampler, type CmaEsOptions } from './cma-es.ts'
export { GridSampler, type GridOptions } from './grid.ts'
export { QuasiRandomSampler } from './quasi-random.ts'
export { RandomSampler } from './random.ts'
export { TpeSampler, type TpeOptions } from './tpe.ts'

export const samplers: Readonly<Record<string, () => Sampler>> = {
  random: () => new RandomSampler(),
  grid: () => new GridSampler(),
  'quasi-random': () => new QuasiRandomSampler(),
  tpe: () => new TpeSampler(),
  'cma-es': () => new CmaEsSampler(),
}
