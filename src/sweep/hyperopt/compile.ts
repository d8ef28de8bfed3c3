/** A nested space of expressions as a flat one, and drawn numbers put back into it. */
import { ConfigError } from '../../util/errors.ts'
import { Space, type Condition, type ParameterDefinition } from '../space/space.ts'
import { Expression } from './hp.ts'

/** Numbers by label: values, and for a choice the index of the option. */
export type Point = Readonly<Record<string, number>>

/**
 * The parameters of a space. The same expression may stand in several places: it exists where at least one of them does.
 *
 * @throws {ConfigError} when two expressions have one label, or there is no expression at all
 */
export function compileSpace(space: unknown): Space {
  const found = new Map<string, { expression: Expression; when: (readonly Condition[])[] }>()
  visit(space, [], [], (expression, conditions) => {
    const known = found.get(expression.label)
    if (known === undefined) found.set(expression.label, { expression, when: [conditions] })
    else if (known.expression === expression) known.when.push(conditions)
    else
      throw new ConfigError(
        `space: expected each label once, "${expression.label}" is used for two expressions. ` +
          'Rename one, or use the same expression in both places.',
      )
  })
  if (found.size === 0) throw new ConfigError('space: expected at least one hp.… expression, found none.')
  return new Space(
    [...found].map(([name, { expression, when }]): ParameterDefinition => {
      const always = when.some((conditions) => conditions.length === 0)
      return { name, distribution: expression.distribution, ...(always ? {} : { when }) }
    }),
  )
}

function visit(
  node: unknown,
  conditions: readonly Condition[],
  above: readonly unknown[],
  each: (expression: Expression, conditions: readonly Condition[]) => void,
): void {
  const inside = within(above, node, 'space')
  if (node instanceof Expression) {
    each(node, conditions)
    // The nearest choice is enough: it exists itself only where those above it say so.
    node.options?.forEach((option, index) => visit(option, [{ parameter: node.label, values: [index] }], inside, each))
  } else if (Array.isArray(node)) {
    for (const item of node) visit(item, conditions, inside, each)
  } else if (isPlainObject(node)) {
    for (const item of Object.values(node)) visit(item, conditions, inside, each)
  }
}

/** The values around a node's parts. @throws {ConfigError} when the node is one of those around itself */
function within(above: readonly unknown[], node: unknown, where: string): readonly unknown[] {
  if (typeof node !== 'object' || node === null) return above
  if (above.includes(node))
    throw new ConfigError(`${where}: expected a space that ends, got one that holds itself. Remove the circle.`)
  return [...above, node]
}

/**
 * The space with each expression replaced by what was drawn: a point of `fmin`, or of a trial's `misc.vals`.
 *
 * @throws {ConfigError} when the point lacks a number that the space needs
 */
export function space_eval(space: unknown, point: Readonly<Record<string, number | readonly number[]>>): unknown {
  if (!isPlainObject(point))
    throw new ConfigError('space_eval: expected a point second, numbers by label. Points come from fmin or Trials.')
  return evaluated(space, point, [])
}

function evaluated(
  space: unknown,
  point: Readonly<Record<string, number | readonly number[]>>,
  above: readonly unknown[],
): unknown {
  const inside = within(above, space, 'space_eval')
  if (space instanceof Expression) {
    const given = Object.hasOwn(point, space.label) ? point[space.label] : undefined
    const value = typeof given === 'number' ? given : given?.[0]
    if (value === undefined)
      throw new ConfigError(
        `space_eval: expected a number for "${space.label}", got none. Points come from fmin or Trials.`,
      )
    if (space.options === null) return value
    if (!Number.isInteger(value) || value < 0 || value >= space.options.length)
      throw new ConfigError(
        `space_eval: expected "${space.label}" to be the index of one of ${space.options.length} options, got ${value}.`,
      )
    return evaluated(space.options[value], point, inside)
  }
  if (Array.isArray(space)) return space.map((item) => evaluated(item, point, inside))
  if (!isPlainObject(space)) return space
  return Object.fromEntries(Object.entries(space).map(([key, item]) => [key, evaluated(item, point, inside)]))
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
