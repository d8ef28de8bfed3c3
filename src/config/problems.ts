/** Schema violations → messages with file and line, in the words a user typed. */

import type { z } from 'zod'
import { ConfigError } from '../util/errors.ts'
import { keysAt, pathsTo } from '../util/schema-keys.ts'
import { didYouMean } from '../util/suggest.ts'
import { camelCase, dotted, snakeCase } from './names.ts'
import { find, type MapNode, originOf, toPlain } from './tree.ts'

type Issue = z.core.$ZodIssue

/** All problems of one reading in one error: fixing them one run at a time is tedious. */
export function configError(problems: readonly string[]): ConfigError {
  return new ConfigError(problems.join('\n'))
}

/** One message an issue. `topKeys` are further keys allowed at the top level, for suggestions. */
export function describeIssues(
  issues: readonly Issue[],
  tree: MapNode,
  schema: z.ZodType,
  topKeys: readonly string[],
): string[] {
  const problems = [...new Set(issues.flatMap((issue) => describeIssue(issue, [], tree, schema, topKeys)))]
  return problems.sort((a, b) => lineOf(a) - lineOf(b)) // of a file; what has no line keeps its place in front
}

function lineOf(problem: string): number {
  return Number(/^.*?:(\d+):/.exec(problem)?.[1] ?? 0)
}

function describeIssue(
  issue: Issue,
  above: readonly PropertyKey[],
  tree: MapNode,
  schema: z.ZodType,
  topKeys: readonly string[],
): string[] {
  const path = [...above, ...issue.path]
  const at = originOf(tree, path)
  const name = dotted(path)
  const got = (): string => show(find(tree, path) === null ? undefined : toPlain(find(tree, path) as MapNode))
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, path, tree, schema, topKeys))
    case 'invalid_type': {
      const hint = issue.expected === 'boolean' && /^"(yes|no|on|off)"$/i.test(got()) ? '. Write true or false' : ''
      return [`${at}: ${name}: expected ${typeName(issue.expected)}, got ${got()}${hint}.`]
    }
    case 'invalid_value': {
      const near = didYouMean(String(toText(find(tree, path))), issue.values.map(String))
      return [`${at}: ${name}: expected ${oneOf(issue.values)}, got ${got()}.${near}`]
    }
    case 'too_small':
    case 'too_big':
      return [`${at}: ${name}: expected ${boundText(issue)}, got ${got()}.`]
    case 'invalid_union':
      return describeUnion(issue, path, tree, schema, topKeys)
    case 'custom':
      return [`${at}: ${name === '' ? '' : `${name}: `}${sentence(issue.message)}`]
    case 'invalid_format':
      return [`${at}: ${name}: ${expectation(issue.message)}, got ${got()}.`]
    default:
      return [`${at}: ${name}: ${issue.message}, got ${got()}.`]
  }
}

/** `unknown key "temprature" in supcon. Did you mean "temperature"?`, `unknown key "compile". It belongs at train.compile, …` */
function unknownKey(
  key: string,
  path: readonly PropertyKey[],
  tree: MapNode,
  schema: z.ZodType,
  topKeys: readonly string[],
): string {
  const section = find(tree, path)
  const written = section?.kind === 'map' ? (section.entries.get(key)?.written ?? key) : key
  const known = [...keysAt(schema, path), ...(path.length === 0 ? topKeys : [])].map(snakeCase)
  const where = path.length === 0 ? '' : ` in ${dotted(path)}`
  const colon = written.indexOf(':')
  const near =
    colon > 0 && known.includes(written.slice(0, colon))
      ? ` YAML wants a space after the colon of "${written.slice(0, colon)}:".`
      : elsewhere(key, path, schema, topKeys) || didYouMean(written, known)
  const list = near === '' && known.length > 0 && known.length <= 12 ? ` Known keys: ${known.join(', ')}.` : ''
  return `${originOf(tree, [...path, key])}: unknown key "${written}"${where}.${near}${list}`
}

const mostPlaces = 6

/** Where a key of just this name is read: in the same section, if it is there, else wherever; the empty string where nothing has it. */
function elsewhere(key: string, path: readonly PropertyKey[], schema: z.ZodType, topKeys: readonly string[]): string {
  const camel = camelCase(key)
  const all = [...(topKeys.includes(camel) ? [[camel]] : []), ...pathsTo(schema, camel)]
  const [section] = path
  const own = all.filter((place) => place.length > 1 && place[0] === section)
  const places = own.length > 0 ? own : all
  if (places.length === 0) return ''
  const named = places.map((place) => (place.length === 1 ? `the top level (${dotted(place)}:)` : dotted(place)))
  const shown = named.length > mostPlaces + 1 ? named.slice(0, mostPlaces) : named
  const more = named.length - shown.length
  const last = more > 0 ? `${more} more places` : shown.pop()
  return ` It belongs at ${shown.length === 0 ? '' : `${shown.join(', ')} or `}${last}.`
}

/** Of a union, the branch that fits the kind of value that came; when none does, the kinds that would. */
function describeUnion(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: readonly PropertyKey[],
  tree: MapNode,
  schema: z.ZodType,
  topKeys: readonly string[],
): string[] {
  const wrongKind = (branch: readonly Issue[]): boolean =>
    branch.some(
      (inner) =>
        inner.path.length === 0 &&
        (inner.code === 'invalid_type' || (inner.code === 'invalid_value' && find(tree, path)?.kind !== 'scalar')),
    )
  const fitting = issue.errors.filter((branch) => !wrongKind(branch)).sort((a, b) => a.length - b.length)[0]
  if (fitting !== undefined) return fitting.flatMap((inner) => describeIssue(inner, path, tree, schema, topKeys))
  const kinds = issue.errors.flatMap((branch) =>
    branch.flatMap((inner) =>
      inner.code === 'invalid_type' && inner.path.length === 0 ? [typeName(inner.expected)] : [],
    ),
  )
  const node = find(tree, path)
  const expected = kinds.length === 0 ? 'another value' : [...new Set(kinds)].join(' or ')
  return [
    `${originOf(tree, path)}: ${dotted(path)}: expected ${expected}, got ${show(node === null ? undefined : toPlain(node))}.`,
  ]
}

function boundText(issue: Extract<Issue, { code: 'too_small' | 'too_big' }>): string {
  const small = issue.code === 'too_small'
  const bound = small ? issue.minimum : issue.maximum
  if (issue.origin === 'string')
    return small && bound === 1 ? 'some text' : `text of at ${small ? 'least' : 'most'} ${bound} characters`
  if (issue.origin === 'array') return `a list of at ${small ? 'least' : 'most'} ${bound} values`
  const sign = small ? (issue.inclusive === false ? '>' : '≥') : issue.inclusive === false ? '<' : '≤'
  return `a number ${sign} ${bound}`
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number',
  string: 'text',
  object: 'a map of keys and values',
  array: 'a list',
  null: 'null',
}

function typeName(expected: string): string {
  return TYPE_NAMES[expected] ?? expected
}

function oneOf(values: readonly unknown[]): string {
  if (values.length === 1) return show(values[0])
  // Hundreds of them are networks: the near ones follow, and run-pipeline models lists all.
  if (values.length > 50) return `one of the ${values.length} names that run-pipeline models lists`
  const names = values.map(String)
  return `one of ${names.filter((name) => snakeCase(name) === name || !names.includes(snakeCase(name))).join(', ')}`
}

function expectation(message: string): string {
  return message.startsWith('expected') ? message : `expected ${message}`
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`
}

function toText(node: ReturnType<typeof find>): string {
  return node?.kind === 'scalar' ? String(node.value) : ''
}

/** A value as a user would recognise it, at most 60 characters. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number') return String(value)
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
