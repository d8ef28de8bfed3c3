/** What callbacks keep in snapshots. */
import { ConfigError } from '../util/errors.ts'
import type { Callback } from './callback.ts'

/**
 * By the callbacks' names.
 *
 * @throws {ConfigError} when a state is no JSON, which would not come back as it went
 */
export function statesOf(callbacks: readonly Callback[]): Record<string, unknown> {
  const states: Record<string, unknown> = {}
  for (const callback of callbacks) {
    if (callback.state === undefined) continue
    const state = callback.state()
    const strange = strangerIn(state, 'state()')
    if (strange !== null)
      throw new ConfigError(
        `callback "${callback.name}": expected state() to give what JSON holds (null, true and false, text, finite numbers, arrays, plain ` +
          `objects), but ${strange}. Turn it into one of these, and back in restore.`,
      )
    states[callback.name] = state
  }
  return states
}

/** The first thing in `value` that JSON does not hold, in words, or null. */
function strangerIn(value: unknown, place: string): string | null {
  if (value === null || value === undefined || typeof value === 'boolean' || typeof value === 'string') return null
  if (typeof value === 'number') return Number.isFinite(value) ? null : `${place} is ${value}`
  if (typeof value !== 'object') return `${place} is a ${typeof value}`
  if (!Array.isArray(value) && ![Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null))
    return `${place} is a ${value.constructor.name}`
  for (const [key, inner] of Object.entries(value)) {
    const found = strangerIn(inner, `${place}.${key}`)
    if (found !== null) return found
  }
  return null
}
