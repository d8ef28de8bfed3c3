/**
 * What a parameter may be, as plain data that is stored with a study. Numbers are drawn in a coordinate in which their prior is
 * simple (the logarithm for `log`), and rounded to a grid afterwards where they have a step.
 */
import { ConfigError } from '../../util/errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Any number in [low, high]; with `step` one of low, low + step, … */
export interface FloatDistribution {
  readonly type: 'float'
  readonly low: number
  readonly high: number
  /** draw the logarithm uniformly; low > 0 */
  readonly log?: boolean
  readonly step?: number
}

/** A whole number in [low, high], both included; with `step` one of low, low + step, … */
export interface IntDistribution {
  readonly type: 'int'
  readonly low: number
  readonly high: number
  readonly log?: boolean
  readonly step?: number
}

/** One of a list, without an order. Choices are compared by their JSON. */
export interface CategoricalDistribution {
  readonly type: 'categorical'
  readonly choices: readonly Json[]
  /** prior probabilities, positive; default: all equal */
  readonly weights?: readonly number[]
}

/** Whole numbers low … high − 1 without an order (seeds, indices): a categorical parameter that is not written out. */
export interface RandintDistribution {
  readonly type: 'randint'
  readonly low: number
  readonly high: number
}

/** hyperopt's quantised uniform: round(u / step) · step with u (or ln u) uniform in [low, high], bounds of the coordinate. */
export interface QuantizedDistribution {
  readonly type: 'quantized'
  readonly low: number
  readonly high: number
  readonly log?: boolean
  readonly step: number
}

/** Unbounded: the number (with `log` its logarithm) is normal. */
export interface NormalDistribution {
  readonly type: 'normal'
  readonly mean: number
  /** > 0 */
  readonly std: number
  readonly log?: boolean
  readonly step?: number
}

export type Distribution =
  | FloatDistribution
  | IntDistribution
  | CategoricalDistribution
  | RandintDistribution
  | QuantizedDistribution
  | NormalDistribution

/**
 * Checks a distribution.
 *
 * @param where names the parameter in the message
 * @throws {ConfigError} for bounds the wrong way round, a logarithm of zero, no choice, …
 */
export function checkDistribution(distribution: Distribution, where: string): void {
  const fail = (message: string): never => {
    throw new ConfigError(`${where}: ${message}`)
  }
  const finite = (name: string, value: number): void => {
    if (typeof value !== 'number' || !Number.isFinite(value))
      fail(`expected a finite number for ${name}, got ${typeof value === 'number' ? value : JSON.stringify(value)}.`)
  }
  const { type } = distribution
  if (type === 'categorical') return checkChoices(distribution, fail)
  if (type === 'normal') {
    finite('mean', distribution.mean)
    finite('std', distribution.std)
    if (distribution.std <= 0) fail(`expected std > 0, got ${distribution.std}.`)
  } else {
    const { low, high } = distribution
    finite('low', low)
    finite('high', high)
    if (low > high) fail(`expected low ≤ high, got low=${low} and high=${high}. Exchange them.`)
    finite('high − low', high - low)
    if (type === 'randint' || type === 'int') {
      for (const [name, value] of [
        ['low', low],
        ['high', high],
      ] as const)
        if (!Number.isSafeInteger(value)) fail(`expected a whole number for ${name}, got ${value}.`)
      if (type === 'randint' && low === high) fail(`expected low < high (high is not drawn), got ${low} for both.`)
    }
    if ((type === 'int' || type === 'float') && distribution.log === true && low <= 0)
      fail(`expected low > 0 for a logarithmic scale, got low=${low}. Raise low or remove log.`)
  }
  if (type === 'quantized') {
    finite('step', distribution.step)
    if (distribution.log === true) finite('exp(high)', Math.exp(distribution.high))
  }
  if ('step' in distribution && distribution.step !== undefined) {
    const { step } = distribution
    finite('step', step)
    if (step <= 0) fail(`expected step > 0, got ${step}.`)
    if (type === 'int' && !Number.isSafeInteger(step)) fail(`expected a whole number for step, got ${step}.`)
    if ((type === 'int' || type === 'float') && distribution.log === true && !(type === 'int' && step === 1))
      fail(`expected either log or step, got both (step=${step}). Remove one.`)
  }
}

function checkChoices({ choices, weights }: CategoricalDistribution, fail: (message: string) => never): void {
  if (!Array.isArray(choices) || choices.length === 0) fail('expected at least one choice, got none.')
  const seen = new Set<string>()
  for (const choice of choices) {
    const text = canonicalJson(choice)
    if (seen.has(text)) fail(`expected different choices, got ${text} twice. Remove one.`)
    seen.add(text)
  }
  if (weights === undefined) return
  if (weights.length !== choices.length)
    fail(`expected one weight for each of the ${choices.length} choices, got ${weights.length}.`)
  const bad = weights.find((weight) => !(weight >= 0 && weight < Infinity))
  if (bad !== undefined) fail(`expected weights ≥ 0, got ${bad}.`)
  if (!(weights.reduce((sum, weight) => sum + weight, 0) > 0)) fail('expected at least one weight > 0.')
}

/** JSON with sorted keys: two values are the same exactly when their texts are. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`
}

/** A distribution in a few words, for tables: `1e-4 … 1e-2 (log)`. */
export function describeDistribution(distribution: Distribution): string {
  if (distribution.type === 'categorical')
    return distribution.choices.map((choice) => JSON.stringify(choice)).join(' | ')
  if (distribution.type === 'randint') return `${distribution.low} … ${distribution.high - 1} (unordered)`
  const notes = [
    distribution.type === 'int' ? 'int' : '',
    distribution.log === true ? 'log' : '',
    distribution.step === undefined ? '' : `step ${distribution.step}`,
  ].filter((note) => note !== '')
  const range =
    distribution.type === 'normal'
      ? `normal(${distribution.mean}, ${distribution.std})`
      : `${distribution.low} … ${distribution.high}`
  return notes.length === 0 ? range : `${range} (${notes.join(', ')})`
}
