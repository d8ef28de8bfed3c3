/** The backbones that can be named, known without loading the addon: configurations are checked, and editors complete them, from this list. */
import { backbones } from './backbones.generated.ts'

export const backboneNames: readonly string[] = backbones.map(({ name }) => name)
