/** Options that are read but wait for their machinery: all that are set for the phases that run are named in one error. */

import type { PhaseName } from '../phases/context.ts'
import { unavailableArcface } from '../phases/options/arcface.ts'
import { unavailableDistill } from '../phases/options/distill.ts'
import { unavailableEvaluate } from '../phases/options/evaluate.ts'
import { unavailableSupcon } from '../phases/options/supcon.ts'
import { unavailableTrain } from '../phases/options/train.ts'
import { findUnavailable, type Unavailable } from '../util/unavailable.ts'
import { dotted } from './names.ts'
import { configError } from './problems.ts'
import type { Config } from './schema.ts'

const byPhase: Readonly<Partial<Record<PhaseName, readonly Unavailable[]>>> = {
  train: unavailableTrain,
  supcon: unavailableSupcon,
  arcface: unavailableArcface,
  distill: unavailableDistill,
  evaluate: unavailableEvaluate,
}

/** Every option that cannot act yet, as dotted camelCase paths of the whole configuration. */
export function listUnavailable(): { path: string[]; what: string }[] {
  return places(['train', 'supcon', 'arcface', 'distill', 'evaluate', 'export']).flatMap(({ at, list }) =>
    list.map((entry) => ({ path: [...at, ...entry.key.split('.')], what: entry.what })),
  )
}

/** @throws {ConfigError} when an option of a phase that would run is set and cannot act */
export function checkAvailable(
  config: Config,
  phases: readonly PhaseName[],
  origin: (path: readonly string[]) => string,
): void {
  const problems = places(phases).flatMap(({ at, list }) =>
    findUnavailable(valueAt(config, at), list).map((entry) => {
      const path = [...at, ...entry.key.split('.')]
      return `${origin(path)}: ${dotted(path)} is not available yet (${entry.what}). Remove the key to run without it.`
    }),
  )
  if (problems.length > 0) throw configError([...new Set(problems)])
}

interface Place {
  readonly at: readonly string[]
  readonly list: readonly Unavailable[]
}

function places(phases: readonly PhaseName[]): Place[] {
  return phases.map((phase) => ({ at: [phase], list: byPhase[phase] ?? [] }))
}

function valueAt(config: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | null | undefined)?.[key], config)
}
