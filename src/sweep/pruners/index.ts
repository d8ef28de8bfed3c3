/** Pruners by name. A new one: one file here, one line below, one `prunerSuite` line in its test. */
import { AshaPruner } from './asha.ts'
import { HyperbandPruner } from './hyperband.ts'
import { NoPruner } from './none.ts'
import { PatientPruner } from './patient.ts'
import { MedianPruner, PercentilePruner } from './percentile.ts'
import type { Pruner } from './pruner.ts'

export type { Pruner, PruneRequest } from './pruner.ts'
export { AshaPruner, type AshaOptions } from './asha.ts'
export { HyperbandPruner, type HyperbandOptions } from './hyperband.ts'
export { NoPruner } from './none.ts'
export { PatientPruner, type PatientOptions } from './patient.ts'
export { MedianPruner, PercentilePruner, type PercentileOptions } from './percentile.ts'

export const pruners: Readonly<Record<string, () => Pruner>> = {
  none: () => new NoPruner(),
  median: () => new MedianPruner(),
  percentile: () => new PercentilePruner(),
  asha: () => new AshaPruner(),
  hyperband: () => new HyperbandPruner(),
  patient: () => new PatientPruner(new MedianPruner()),
}
