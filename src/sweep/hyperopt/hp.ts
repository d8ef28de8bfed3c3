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
    if (typeof label !== 'string' || label === '')
      throw new ConfigError(`hp.${kind}: expected a label first, got ${JSON.stringify(label)}.`)
    checkDistribution(distribution, `hp.${kind}('${label}')`)
    this.label = label
    this.distribution = distribution
    this.options = options
  }
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

/** Bounds in the logarithm, as hyperopt takes them. */
const logUniform = (kind: string, label: string, low: number, high: number): Expression =>
  new Expression(kind, label, { type: 'float', low: Math.exp(low), high: Math.exp(high), log: true })

export const hp = {
  /** one of the options, all equally likely */
  choice: (label: string, options: readonly unknown[]): Expression => choiceOf('choice', label, options),
  /** one of the options with its probability: [[0.7, option], [0.3, option]] */
  pchoice(label: string, pairs: readonly (readonly [probability: number, option: unknown])[]): Expression {
    if (!Array.isArray(pairs) || pairs.some((pair) => !Array.isArray(pair) || pair.length !== 2))
      throw new ConfigError(`hp.pchoice('${label}'): expected pairs [probability, option].`)
    const weights = pairs.map(([probability]) => probability as number)
    const sum = weights.reduce((total, weight) => total + weight, 0)
    if (!(Math.abs(sum - 1) < 1e-6))
      throw new ConfigError(`hp.pchoice('${label}'): expected probabilities that sum to 1, got ${sum}.`)
    return choiceOf(
      'pchoice',
      label,
      pairs.map(([, option]) => option as unknown),
      weights,
    )
  },
  /** a whole number in [0, upper), or in [low, high), without an order */
  randint(label: string, lowOrUpper: number, high?: number): Expression {
    const [low, end] = high === undefined ? [0, lowOrUpper] : [lowOrUpper, high]
    return new Expression('randint', label, { type: 'randint', low, high: end })
  },
  /** a whole number in [low, high], both included, with an order */
  uniformint: (label: string, low: number, high: number): Expression =>
    new Expression('uniformint', label, { type: 'int', low, high }),
  /** in [low, high] */
  uniform: (label: string, low: number, high: number): Expression =>
    new Expression('uniform', label, { type: 'float', low, high }),
  /** round(uniform(low, high) / q) · q */
  quniform: (label: string, low: number, high: number, q: number): Expression =>
    new Expression('quniform', label, { type: 'quantized', low, high, step: q }),
  /** exp(uniform(low, high)) */
  loguniform: (label: string, low: number, high: number): Expression => logUniform('loguniform', label, low, high),
  /** round(exp(uniform(low, high)) / q) · q */
  qloguniform: (label: string, low: number, high: number, q: number): Expression =>
    new Expression('qloguniform', label, { type: 'quantized', low, high, step: q, log: true }),
  normal: (label: string, mu: number, sigma: number): Expression =>
    new Expression('normal', label, { type: 'normal', mean: mu, std: sigma }),
  /** round(normal(mu, sigma) / q) · q */
  qnormal: (label: string, mu: number, sigma: number, q: number): Expression =>
    new Expression('qnormal', label, { type: 'normal', mean: mu, std: sigma, step: q }),
  /** exp(normal(mu, sigma)) */
  lognormal: (label: string, mu: number, sigma: number): Expression =>
    new Expression('lognormal', label, { type: 'normal', mean: mu, std: sigma, log: true }),
  /** round(exp(normal(mu, sigma)) / q) · q */
  qlognormal: (label: string, mu: number, sigma: number, q: number): Expression =>
    new Expression('qlognormal', label, { type: 'normal', mean: mu, std: sigma, log: true, step: q }),
} as const
