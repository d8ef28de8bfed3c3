/** Options that come from a user's program, checked in hyperopt's words: what is unknown or of another kind is not passed over. */
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'
import type { FminOptions } from './fmin.ts'
import type { TpeSuggestOptions } from './suggest.ts'
import { Trials } from './trials.ts'

type Expectation = readonly [what: string, holds: (value: unknown) => boolean]

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isWhole =
  (least: number) =>
  (value: unknown): boolean =>
    Number.isSafeInteger(value) && (value as number) >= least
const isPositive = (value: unknown): boolean => typeof value === 'number' && value > 0
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

const fminOptions: Readonly<Record<keyof FminOptions, Expectation>> = {
  objective: ['a function', isFunction],
  space: ['a value with hp.… expressions', (value) => value !== undefined],
  algo: ['tpe.suggest, rand.suggest or partial(tpe.suggest, { … })', isFunction],
  maxEvals: ['a whole number ≥ 1', isWhole(1)],
  trials: ['a Trials: new Trials(), or Trials.fromJSON(…)', (value) => value instanceof Trials],
  seed: ['a whole number ≥ 0', isWhole(0)],
  timeout: ['> 0 seconds', isPositive],
  lossThreshold: ['a number', (value) => typeof value === 'number' && !Number.isNaN(value)],
  pointsToEvaluate: ['a list of points, numbers by label', (value) => Array.isArray(value) && value.every(isObject)],
  catchEvalExceptions: ['true or false', (value) => typeof value === 'boolean'],
  earlyStopFn: ['a function', isFunction],
}

const required: readonly string[] = ['objective', 'space', 'maxEvals']

/** What Python's fmin calls differently, beyond the spelling. */
const renamed: Readonly<Record<string, string>> = { fn: 'objective', rstate: 'seed' }

/** @throws {ConfigError} naming the option */
export function checkFminOptions(options: unknown): void {
  check(options, 'fmin', 'fmin({ objective, space, maxEvals, … })', fminOptions, required)
}

export const tpeOptions: Readonly<Record<keyof TpeSuggestOptions, Expectation>> = {
  n_startup_jobs: ['a whole number ≥ 0', isWhole(0)],
  n_EI_candidates: ['a whole number ≥ 1', isWhole(1)],
  gamma: ['a finite number > 0', (value) => isPositive(value) && value !== Infinity],
  prior_weight: ['a finite number > 0', (value) => isPositive(value) && value !== Infinity],
}

/** @throws {ConfigError} naming the option of tpe.suggest, or of rand.suggest, which has none */
export function checkSuggestOptions(
  name: string,
  options: unknown,
  known: Readonly<Record<string, Expectation>>,
): void {
  check(options, name, 'partial(tpe.suggest, { gamma: 0.2 })', known, [])
}

function check(
  options: unknown,
  where: string,
  example: string,
  known: Readonly<Record<string, Expectation>>,
  needed: readonly string[],
): void {
  if (!isObject(options))
    throw new ConfigError(`${where}: expected one object of options, ${example}, got ${preview(options)}.`)
  for (const [name, value] of Object.entries(options as object)) {
    const expectation = Object.hasOwn(known, name) ? known[name] : undefined
    if (expectation === undefined) {
      const other = Object.hasOwn(renamed, name) ? renamed[name]! : name
      throw new ConfigError(
        `${where}: unknown option "${name}".${didYouMean(other, Object.keys(known))} Known: ${Object.keys(known).join(', ') || 'none'}.`,
      )
    }
    if (value !== undefined && !expectation[1](value))
      throw new ConfigError(`${where}: expected ${name} to be ${expectation[0]}, got ${preview(value)}.`)
  }
  const given = options as Readonly<Record<string, unknown>>
  const missing = needed.find((name) => given[name] === undefined)
  if (missing !== undefined)
    throw new ConfigError(`${where}: expected ${missing}, ${known[missing]![0]}, got none: ${example}.`)
}

/** A value as a message shows it, whatever it is. */
export function preview(value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'function') return `the function ${value.name || 'without a name'}`
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 80)
  } catch {
    return Object.prototype.toString.call(value) // a circle, a BigInt
  }
}
