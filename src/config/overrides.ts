/** `--set arcface.lr=3e-4`: one value on top of the file. */

import { ConfigError } from '../util/errors.ts'
import { camelCase, forbiddenKeys } from './names.ts'
import { readYamlValue } from './read-yaml.ts'
import { emptyMap, type MapNode, merge, type Node, withValue } from './tree.ts'

const MAX_LENGTH = 10_000

/** Later overrides win over earlier ones. @throws {ConfigError} naming the override that cannot be read */
export function readOverrides(overrides: readonly string[]): MapNode {
  return overrides.reduce((tree, text) => merge(tree, readOverride(text)), emptyMap('--set'))
}

function readOverride(text: string): MapNode {
  const origin = `--set ${text.length > 60 ? `${text.slice(0, 57)}…` : text}`
  if (text.length > MAX_LENGTH)
    throw new ConfigError(`${origin}: expected at most ${MAX_LENGTH} characters, got ${text.length}. Use a file.`)
  const equals = text.indexOf('=')
  if (equals < 1) throw new ConfigError(`${origin}: expected key=value, for example --set arcface.lr=3e-4.`)
  const written = text.slice(0, equals).trim().split('.')
  for (const part of written) {
    if (!/^[A-Za-z_][\w-]*$/.test(part)) {
      throw new ConfigError(
        `${origin}: expected names joined by dots before "=", for example arcface.lr, got "${text.slice(0, equals).slice(0, 60)}".`,
      )
    }
    if (forbiddenKeys.has(part) || forbiddenKeys.has(camelCase(part)))
      throw new ConfigError(`${origin}: "${part}" cannot be a key.`)
  }
  if (written.length > 16)
    throw new ConfigError(`${origin}: expected at most 16 names joined by dots, got ${written.length}.`)
  const value = relocated(
    readYamlValue(text.slice(equals + 1), () => origin),
    origin,
  )
  return withValue(emptyMap(origin), written.map(camelCase), value, written)
}

function relocated(node: Node, origin: string): Node {
  return { ...node, origin }
}
