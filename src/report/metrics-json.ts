/**
 * metrics.json: flat, snake_case keys in the order given, every value finite.
 */
import { NonFiniteError } from '../util/errors.ts'
import { snakeCase } from '../util/snake-case.ts'

/** @throws {NonFiniteError} for NaN and infinity, which JSON cannot hold */
export function metricsJson(metrics: Readonly<Record<string, number>>): string {
  const bad = Object.entries(metrics).find(([, value]) => !Number.isFinite(value))
  if (bad) throw new NonFiniteError(`Expected every metric to be finite, got ${bad[0]} = ${bad[1]}.`)
  const entries = Object.entries(metrics).map(([key, value]) => [snakeCase(key), value])
  return JSON.stringify(Object.fromEntries(entries), null, 2) + '\n'
}
