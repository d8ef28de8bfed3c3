/** A search space: named parameters, some of which exist only where others have certain values. */
import { ConfigError } from '../../util/errors.ts'
import { didYouMean } from '../../util/suggest.ts'
import { axisOf, fromNumber, toNumber, type Axis } from './axis.ts'
import { canonicalJson, checkDistribution, describeDistribution, type Distribution, type Json } from './distribution.ts'

/** Values by parameter name, as they are stored and handed to an objective. */
export type Params = Readonly<Record<string, Json>>

/** Holds when `parameter` exists and has one of `values`. */
export interface Condition {
  readonly parameter: string
  readonly values: readonly Json[]
}

export interface ParameterDefinition {
  readonly name: string
  readonly distribution: Distribution
  /** exists where every condition of at least one list holds; absent: always */
  readonly when?: readonly (readonly Condition[])[]
}

/** A parameter with what samplers ask of it. */
export interface Parameter {
  readonly name: string
  readonly distribution: Distribution
  readonly axis: Axis
  readonly when: readonly (readonly Condition[])[] | null
}

export class Space {
  /** parents before the parameters that depend on them */
  readonly parameters: readonly Parameter[]
  /** equal for two spaces exactly when they draw the same parameters from the same distributions under the same conditions */
  readonly fingerprint: string
  readonly #byName: ReadonlyMap<string, Parameter>

  /** @throws {ConfigError} when the space is empty or contradicts itself */
  constructor(definitions: readonly ParameterDefinition[]) {
    if (definitions.length === 0) throw new ConfigError('search space: expected at least one parameter, got none.')
    for (const { name, distribution } of definitions) {
      if (name === '') throw new ConfigError('search space: expected a name for every parameter, got an empty one.')
      checkDistribution(distribution, `search space: ${name}`)
    }
    const parameters = definitions.map(({ name, distribution, when }): Parameter => {
      return { name, distribution, axis: axisOf(distribution), when: when === undefined ? null : when }
    })
    const byName = new Map<string, Parameter>()
    for (const parameter of parameters) {
      if (byName.has(parameter.name))
        throw new ConfigError(`search space: expected different names, got "${parameter.name}" twice. Rename one.`)
      byName.set(parameter.name, parameter)
    }
    this.#byName = byName
    for (const parameter of parameters) checkConditions(parameter, byName)
    this.parameters = inOrder(parameters, byName)
    this.fingerprint = canonicalJson(
      [...this.definition()].sort((a, b) => (a.name < b.name ? -1 : 1)).map((entry) => ({ ...entry })),
    )
  }

  get(name: string): Parameter | undefined {
    return this.#byName.get(name)
  }

  /** What the constructor takes, as plain data. */
  definition(): ParameterDefinition[] {
    return this.parameters.map(({ name, distribution, when }) => {
      return { name, distribution, ...(when === null ? {} : { when }) }
    })
  }

  /** Whether a parameter exists, given the values of those before it. */
  isActive(parameter: Parameter, params: Params): boolean {
    return parameter.when === null || parameter.when.some((all) => all.every((condition) => holds(condition, params)))
  }

  /** Draws every parameter that exists, parents first. `draw` gives a sampler's number: a value, or the index of a choice. */
  build(draw: (parameter: Parameter, soFar: Params) => number): Params {
    const params: Record<string, Json> = Object.create(null) as Record<string, Json>
    for (const parameter of this.parameters) {
      if (!this.isActive(parameter, params)) continue
      params[parameter.name] = fromNumber(parameter.distribution, draw(parameter, params))
    }
    return { ...params }
  }

  /**
   * Checks values that come from outside.
   *
   * @param where names their source in the message
   * @returns the values of the parameters that exist, in the space's order
   * @throws {ConfigError} for an unknown name, a missing value, or one outside its distribution
   */
  check(params: Params, where: string): Params {
    const checked = Object.create(null) as Record<string, Json>
    for (const name of Object.keys(params)) {
      if (this.#byName.has(name)) continue
      throw new ConfigError(`${where}: no parameter "${name}" in the space.${didYouMean(name, this.#byName.keys())}`)
    }
    for (const parameter of this.parameters) {
      const { name, distribution } = parameter
      const given = Object.hasOwn(params, name)
      if (!this.isActive(parameter, checked)) {
        if (given)
          throw new ConfigError(`${where}: "${name}" has a value, but does not exist with the values beside it.`)
        continue
      }
      if (!given) throw new ConfigError(`${where}: expected a value for "${name}", got none.`)
      const value = params[name] as Json
      if (toNumber(distribution, value, parameter.axis) === null)
        throw new ConfigError(
          `${where}: ${name}: expected a value of ${describeDistribution(distribution)}, got ${typeof value === 'number' ? value : canonicalJson(value)}.`,
        )
      checked[name] = value
    }
    return { ...checked }
  }

  /** The sampler's number of a stored value; null where the trial does not have the parameter. */
  numberOf(parameter: Parameter, params: Params): number | null {
    const value = Object.hasOwn(params, parameter.name) ? params[parameter.name] : undefined
    return value === undefined ? null : toNumber(parameter.distribution, value, parameter.axis)
  }
}

function holds({ parameter, values }: Condition, params: Params): boolean {
  if (!Object.hasOwn(params, parameter)) return false
  const text = canonicalJson(params[parameter])
  return values.some((value) => canonicalJson(value) === text)
}

function checkConditions(parameter: Parameter, byName: ReadonlyMap<string, Parameter>): void {
  const where = `search space: ${parameter.name}: when`
  if (parameter.when !== null && (parameter.when.length === 0 || parameter.when.some((all) => all.length === 0)))
    throw new ConfigError(`${where}: expected at least one condition, got none. Leave "when" out to draw it always.`)
  for (const { parameter: name, values } of parameter.when?.flat() ?? []) {
    const parent = byName.get(name)
    if (parent === undefined)
      throw new ConfigError(`${where}: no parameter "${name}" in the space.${didYouMean(name, byName.keys())}`)
    if (values.length === 0) throw new ConfigError(`${where}: expected at least one value of "${name}", got none.`)
    for (const value of values) {
      if (toNumber(parent.distribution, value) === null)
        throw new ConfigError(
          `${where}: "${name}" never has the value ${canonicalJson(value)}, so that this never holds.`,
        )
    }
  }
}

/** Parents first, otherwise as given. @throws {ConfigError} when conditions go round in a circle */
function inOrder(parameters: readonly Parameter[], byName: ReadonlyMap<string, Parameter>): Parameter[] {
  const done: Parameter[] = []
  const visit = (parameter: Parameter, path: readonly string[]): void => {
    if (done.includes(parameter)) return
    if (path.includes(parameter.name))
      throw new ConfigError(
        `search space: conditions go round in a circle: ${[...path, parameter.name].join(' → ')}. Remove one of them.`,
      )
    for (const { parameter: name } of parameter.when?.flat() ?? [])
      visit(byName.get(name) as Parameter, [...path, parameter.name])
    done.push(parameter)
  }
  for (const parameter of parameters) visit(parameter, [])
  return done
}
