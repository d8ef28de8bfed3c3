/** What a training starts from, as flat keys: stored with a study and compared when it goes on, and the settings of `sweep compare`. */
import { configToPlain, type ResolvedConfig, type SweepFile } from '../../config/index.ts'
import { phaseNames, type PhaseName } from '../../phases/context.ts'
import type { Json } from '../../sweep/index.ts'

/** Sections that may differ between the parts of a sweep, and between its machines, without changing what is learned. */
const free = new Set<string>(['run', 'logging', 'device', 'threads', 'phases', 'predict'])

/** How a machine reads its data. */
const freeKeys = new Set([
  'data.workers',
  'data.cache',
  'data.cache_gigabytes',
  'data.cache_megabytes',
  'data.download',
])

export function setupOf(resolved: ResolvedConfig, { phases, shared }: SweepFile): Record<string, Json> {
  const keys = flatSettings(configToPlain(resolved) as Record<string, Json>, [...phases, ...shared])
  return { phases: [...phases], shared: [...shared], ...keys }
}

/** `arcface.batch_size: 64` for everything that changes what is learned; sections of other phases than `used` are left out. */
export function flatSettings(plain: Readonly<Record<string, Json>>, used: readonly PhaseName[]): Record<string, Json> {
  const idle = phaseNames.filter((phase) => !used.includes(phase))
  const sections = Object.entries(plain).filter(([name]) => !free.has(name) && !idle.some((phase) => phase === name))
  return Object.fromEntries(flatten(sections, '').filter(([key]) => !freeKeys.has(key)))
}

function flatten(entries: readonly (readonly [string, Json])[], above: string): [string, Json][] {
  return entries.flatMap(([key, value]): [string, Json][] => {
    const path = `${above}${key}`
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return [[path, value]]
    return flatten(Object.entries(value), `${path}.`)
  })
}
