/** What can be named. */
import { listBackbones } from '../binding/index.ts'
import type { BackboneEntry } from '../binding/index.ts'

export type ModelInfo = BackboneEntry

/** The registered backbones in order of name; with `filter`, those whose name or family contains it, whatever its case. */
export function listModels(filter = ''): ModelInfo[] {
  const wanted = filter.toLowerCase()
  return listBackbones().filter(({ name, family }) => name.includes(wanted) || family.includes(wanted))
}
