/**
 * hyperopt's expressions. A space is any value: a literal, an array, an object, an expression, nested as you like. Options of
 * `hp.choice` may hold further expressions, which exist where the option is chosen.
 *
 *   const space = hp.choice('classifier', [
 *     { type: 'svm', C: hp.lognormal('svm_C', 0, 1) },
 *     { type: 'tree', depth: hp.choice('depth', [null, hp.qlognormal('depth_int', 3, 1, 1)]) },
 *   ])
 */
import { ConfigError } from '../../util/errors.ts'
import type { Distribution } from '../space/distribution.ts'
import { checkDistribution } from '../space/distribution.ts'

/** A labelled draw. For a choice, the number drawn is the index of the option. */
export class Expression {
  readonly label: string
  readonly distribution: Distribution
  /** of hp.choice and hp.pchoice */
  readonly options: readonly unknown[] | null

  constructor(kind: string, label: string, distribution: Distribution, options: readonly unknown[] | null = null) {
    checkLabel(kind, label)
    checkDistribution(distribution, `hp.${kind}('${label}')`)
    this.label = label
    this.distribution = distribution
    this.options = options
  }
}

function checkLabel(kind: string, label: unknown): void {
  if (typeof label !== 'string' || label === '')
    throw new ConfigError(`hp.${kind}: expected a label first, got ${JSON.stringify(label)}.`)
}

/** Arguments by hyperopt's names. */
interface Numbers {
  readonly low?: number
  readonly high?: number
  readonly upper?: number
  readonly mu?: number
  readonly sigma?: number
  readonly q?: number
}

/** An expression of numbers that are checked under the names that its caller knows, before they become a distribution. */
function numeric(kind: string, label: string, given: Numbers, make: () => Distribution): Expression {
  checkLabel(kind, label)
  const fail = (message: string): never => {
    throw new ConfigError(`hp.${kind}('${label}'): ${message}`)
  }
  for (const [name, value] of Object.entries(given) as [string, unknown][])
    if (typeof value !== 'number' || !Number.isFinite(value))
      fail(`expected ${name} to be a finite number, got ${typeof value === 'number' ? value : JSON.stringify(value)}.`)
  const { low = 0, high = low, sigma = 1, q = 1 } = given
  if (low > high) fail(`expected low ≤ high, got low=${low} and high=${high}. Exchange them.`)
  if (!Number.isFinite(high - low)) fail(`expected high − low to be a finite number, got low=${low} and high=${high}.`)
  if (sigma <= 0) fail(`expected sigma > 0, got ${sigma}.`)
  if (q <= 0) fail(`expected q > 0, got ${q}.`)
  if (/^q?loguniform$/.test(kind) && !(Math.exp(low) > 0 && Math.exp(high) < Infinity))
    fail(`expected bounds that are logarithms, got low=${low} and high=${high}. Pass Math.log of the bounds.`)
  return new Expression(kind, label, make())
}

const choiceOf = (
  kind: string,
  label: string,
  options: readonly unknown[],
  weights?: readonly number[],
): Expression => {
  if (!Array.isArray(options) || options.length === 0)
    throw new ConfigError(
      `hp.${kind}('${label}'): expected a list of at least one option, got ${JSON.stringify(options)}.`,
    )
  const choices = options.map((_, index) => index)
  const distribution: Distribution = { type: 'categorical', choices, ...(weights === undefined ? {} : { weights }) }
  return new Expression(kind, label, distribution, [...(options as unknown[])])
}

export const hp = {
  /** one of the options, all equally likely */
  choice: (label: string, options: readonly unknown[]): Expression => choiceOf('choice', label, options),
  /** one of the options with its probability: [[0.7, option], [0.3, option]] */
  pchoice(label: string, pairs: readonly (readonly [probability: number, option: unknown])[]): Expression {
    const fail = (message: string): never => {
      throw new ConfigError(`hp.pchoice('${label}'): ${message}`)
    }
    if (!Array.isArray(pairs) || pairs.length === 0 || pairs.some((pair) => !Array.isArray(pair) || pair.length !== 2))
      fail('expected pairs [probability, option], at least one.')
    const weights = pairs.map(([probability]) => probability)
    const bad = weights.find((weight) => !(typeof weight === 'number' && weight >= 0 && weight <= 1))
    if (bad !== undefined) fail(`expected probabilities in [0, 1], got ${JSON.stringify(bad)}.`)
    const sum = weights.reduce((total, weight) => total + weight, 0)
    if (!(Math.abs(sum - 1) < 1e-6)) fail(`expected probabilities that sum to 1, got ${sum}.`)
    return choiceOf(
      'pchoice',
      label,
      pairs.map(([, option]) => option),
      weights,
    )
  },
  /** a whole number in [0, upper), or in [low, high), without an order */
  randint(label: string, lowOrUpper: number, high?: number): Expression {
    const [low, end] = high === undefined ? [0, lowOrUpper] : [lowOrUpper, high]
    const given = high === undefined ? { upper: lowOrUpper } : { low, high }
    return numeric('randint', label, given, () => ({ type: 'randint', low, high: end }))
  },
  /** a whole number in [low, high], both included, with an order */
  uniformint: (label: string, low: number, high: number): Expression =>
    numeric('uniformint', label, { low, high }, () => ({ type: 'int', low, high })),
  /** in [low, high] */
  uniform: (label: string, low: number, high: number): Expression =>
    numeric('uniform', label, { low, high }, () => ({ type: 'float', low, high })),
  /** round(uniform(low, high) / q) · q */
  quniform: (label: string, low: number, high: number, q: number): Expression =>
    numeric('quniform', label, { low, high, q }, () => ({ type: 'quantized', low, high, step: q })),
  /** exp(uniform(low, high)) */
  loguniform: (label: string, low: number, high: number): Expression =>
    numeric('loguniform', label, { low, high }, () => {
      return { type: 'float', low: Math.exp(low), high: Math.exp(high), log: true }
    }),
  /** round(exp(uniform(low, high)) / q) · q */
  qloguniform: (label: string, low: number, high: number, q: number): Expression =>
    numeric('qloguniform', label, { low, high, q }, () => ({ type: 'quantized', low, high, step: q, log: true })),
  normal: (label: string, mu: number, sigma: number): Expression =>
    numeric('normal', label, { mu, sigma }, () => ({ type: 'normal', mean: mu, std: sigma })),
  /** round(normal(mu, sigma) / q) · q */
  qnormal: (label: string, mu: number, sigma: number, q: number): Expression =>
    numeric('qnormal', label, { mu, sigma, q }, () => ({ type: 'normal', mean: mu, std: sigma, step: q })),
  /** exp(normal(mu, sigma)) */
  lognormal: (label: string, mu: number, sigma: number): Expression =>
    numeric('lognormal', label, { mu, sigma }, () => ({ type: 'normal', mean: mu, std: sigma, log: true })),
  /** round(exp(normal(mu, sigma)) / q) · q */
  qlognormal: (label: string, mu: number, sigma: number, q: number): Expression =>
    numeric('qlognormal', label, { mu, sigma, q }, () => {
      return { type: 'normal', mean: mu, std: sigma, log: true, step: q }
    }),
} as const
