/** What every trial of a sweep starts from, as flat keys: stored with the study and compared when it goes on. */
import { configToPlain, type ResolvedConfig, type SweepFile } from '../../config/index.ts'
import { phaseNames } from '../../phases/context.ts'
import type { Json } from '../../sweep/index.ts'

/** Sections that may differ between the parts of a sweep, and between its machines, without changing what is learned. */
const free = new Set<string>(['run', 'logging', 'device', 'threads', 'phases', 'predict'])

/** How a machine reads its data. */
const freeKeys = new Set(['data.workers', 'data.cache_megabytes', 'data.download'])

/** Sections of phases that no trial runs are left out. */
export function setupOf(resolved: ResolvedConfig, { phases, shared }: SweepFile): Record<string, Json> {
  const used = new Set<string>([...phases, ...shared])
  const idle = phaseNames.filter((phase) => !used.has(phase))
  const sections = Object.entries(configToPlain(resolved) as Record<string, Json>).filter(
    ([name]) => !free.has(name) && !idle.some((phase) => phase === name),
  )
  return {
    phases: [...phases],
    shared: [...shared],
    ...Object.fromEntries(flatten(sections, '').filter(([key]) => !freeKeys.has(key))),
  }
}

function flatten(entries: readonly (readonly [string, Json])[], above: string): [string, Json][] {
  return entries.flatMap(([key, value]): [string, Json][] => {
    const path = `${above}${key}`
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return [[path, value]]
    return flatten(Object.entries(value), `${path}.`)
  })
}
