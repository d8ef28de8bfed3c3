/** Looks into zod schemas: which keys a section has, their types, defaults and descriptions. Feeds documentation. */

import type { z } from 'zod'
import { objectsOf, shapeOf } from '../util/schema-keys.ts'

/** One key of a section. Paths are camelCase. */
export interface KeyInfo {
  readonly path: readonly string[]
  /** For people: `number > 0`, `true or false`, `adamw | sgd`, `text or null`. */
  readonly type: string
  /** Undefined when the key has no default of its own. */
  readonly default: unknown
  readonly description: string
}

/** The parts of a zod definition that are read here. */
interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly in?: z.ZodType
  readonly options?: readonly z.ZodType[]
  readonly element?: z.ZodType
  readonly entries?: Readonly<Record<string, string>>
  readonly values?: readonly unknown[]
  readonly defaultValue?: unknown
  readonly format?: string
  readonly checks?: readonly {
    _zod: { def: { check: string; value?: number; inclusive?: boolean; format?: string } }
  }[]
}

/** Every leaf key of a schema, in the order of its definition; a map that may also be `true` or a number counts as one key too. */
export function listKeys(schema: z.ZodType, above: readonly string[] = []): KeyInfo[] {
  const keys: KeyInfo[] = []
  for (const object of objectsOf(schema)) {
    for (const [name, field] of Object.entries(shapeOf(object))) {
      const path = [...above, name]
      if (keys.some((key) => key.path.join('.') === path.join('.'))) continue
      const inner = objectsOf(field)
      if (inner.length === 0 || describesValue(field)) {
        keys.push({ path, type: typeText(field), default: defaultOf(field), description: descriptionOf(field) })
      }
      if (inner.length > 0) keys.push(...listKeys(field, path))
    }
  }
  return keys
}

/** A type in words. */
function typeText(schema: z.ZodType): string {
  const definition = definitionOf(schema)
  switch (definition.type) {
    case 'nullable':
      return `${inner(definition)} or null`
    case 'optional':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return inner(definition)
    case 'pipe':
      return definition.in === undefined ? 'value' : typeText(definition.in)
    case 'union':
      return [...new Set((definition.options ?? []).map(typeText))].join(' or ')
    case 'boolean':
      return 'true or false'
    case 'string':
      return 'text'
    case 'number':
      return numberText(schema)
    case 'enum':
      return choiceText(Object.values(definition.entries ?? {}))
    case 'literal':
      return (definition.values ?? []).map(String).join(' | ')
    case 'array':
      return `list of ${definition.element === undefined ? 'values' : typeText(definition.element)}`
    case 'tuple':
      return 'list'
    case 'object':
      return 'map'
    default:
      return definition.type
  }
}

/** Hundreds of names are a list of their own (`run-pipeline models`), not a cell of a table. */
function choiceText(choices: readonly unknown[]): string {
  return choices.length > 12 ? `one of ${choices.length} names` : choices.join(' | ')
}

function inner(definition: Definition): string {
  return definition.innerType === undefined ? 'value' : typeText(definition.innerType)
}

function numberText(schema: z.ZodType): string {
  const { checks = [], format = '' } = definitionOf(schema)
  const rules = checks.map((check) => check._zod.def)
  const whole = [format, ...rules.map((rule) => rule.format ?? '')].some((name) => name.includes('int'))
  const bounds = rules.flatMap(({ check, value, inclusive }) => {
    if (check === 'greater_than') return [`${inclusive === true ? '≥' : '>'} ${value}`]
    if (check === 'less_than') return [`${inclusive === true ? '≤' : '<'} ${value}`]
    return []
  })
  return [whole ? 'whole number' : 'number', bounds.join(', ')].join(' ').trim()
}

/** Whether a field may be something other than a map: `true`, a number … */
function describesValue(schema: z.ZodType): boolean {
  const definition = definitionOf(schema)
  if (definition.type === 'union') return (definition.options ?? []).some((option) => objectsOf(option).length === 0)
  const next = definition.innerType ?? definition.in
  return next === undefined ? false : describesValue(next)
}

function defaultOf(schema: z.ZodType): unknown {
  const definition = definitionOf(schema)
  if (definition.type === 'default' || definition.type === 'prefault') {
    return typeof definition.defaultValue === 'function'
      ? (definition.defaultValue as () => unknown)()
      : definition.defaultValue
  }
  const next = definition.innerType ?? definition.in
  return next === undefined ? undefined : defaultOf(next)
}

function descriptionOf(schema: z.ZodType): string {
  if (schema.description !== undefined) return schema.description
  const definition = definitionOf(schema)
  const next = definition.innerType ?? definition.in
  return next === undefined ? '' : descriptionOf(next)
}

function definitionOf(schema: z.ZodType): Definition {
  return (schema as unknown as { _zod: { def: Definition } })._zod.def
}
