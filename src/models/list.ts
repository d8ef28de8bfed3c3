/** What can be named, and the facts of each. */
import type { BackboneEntry } from '../binding/index.ts'
import { backbones } from './backbones.generated.ts'

/** A backbone as the registry lists it, and what it costs as it is made without options: its usual classes, its usual image size. */
export interface ModelInfo extends BackboneEntry {
  readonly parameters: number
  /** multiply–adds of one image's forward pass (convolutions, matrix products, attention), as fvcore and timm's tables count FLOPs */
  readonly flops: number
}

/** The registered backbones in order of name; with `filter`, those whose name or family contains it, whatever its case. */
export function listModels(filter = ''): ModelInfo[] {
  const wanted = filter.toLowerCase()
  return backbones.filter(({ name, family }) => name.includes(wanted) || family.includes(wanted))
}

/** The facts of one backbone, or null when there is none of that name. */
export function modelInfo(name: string): ModelInfo | null {
  return backbones.find((entry) => entry.name === name) ?? null
}
