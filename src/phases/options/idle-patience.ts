/** A patience without the early stopping that it belongs to, as a program may write it. */
import type { PhaseName } from '../context.ts'

/**
 * @param config as it was given: a checked one has both keys, and says `earlyStopping: false` on purpose
 * @param phases that run
 * @returns what is to be said of it
 */
export function idlePatience(config: object, phases: readonly PhaseName[]): string[] {
  return phases.flatMap((phase) => {
    const section = (config as Readonly<Record<string, unknown>>)[phase]
    if (typeof section !== 'object' || section === null) return []
    const { earlyStopping, earlyStoppingPatience } = section as Readonly<Record<string, unknown>>
    return earlyStoppingPatience === undefined || earlyStopping !== undefined
      ? []
      : [`${phase}.earlyStoppingPatience has no effect without earlyStopping: true`]
  })
}
