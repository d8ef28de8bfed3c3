/** A resolved configuration as YAML that loads again to the same values. */

import { Document, isMap, isScalar, type YAMLMap } from 'yaml'
import { phaseNames } from '../phases/context.ts'
import { camelCase, snakeCase } from './names.ts'
import { readYamlFile } from './read-yaml.ts'
import type { ResolvedConfig } from './resolve.ts'
import { toPlain } from './tree.ts'

/**
 * snake_case YAML with every key, defaults included.
 *
 * @param sources note behind each value where it was written; values without a note are defaults
 */
export function configToYaml(resolved: ResolvedConfig, { sources = false }: { sources?: boolean } = {}): string {
  const plain = configToPlain(resolved) as Record<string, unknown>
  const document = new Document(plain, { version: '1.2', aliasDuplicateObjects: false })
  if (sources && isMap(document.contents)) annotate(document.contents, [], resolved)
  return document.toString({ lineWidth: 0 })
}

/** The resolved configuration as plain snake_case data, for `--json`. */
export function configToPlain(resolved: ResolvedConfig): unknown {
  // `phases` says what runs; an `enabled: false` beside it would stand in the way of running another phase later.
  const sections = phaseNames.map((phase) => [phase, { ...resolved.config[phase], enabled: undefined }])
  return snakeKeys({ ...resolved.config, ...Object.fromEntries(sections), phases: resolved.phases })
}

/** A saved configuration as plain snake_case data, unchecked. @throws {ConfigError} naming the line that is no YAML */
export function readPlainYaml(path: string): unknown {
  return snakeKeys(toPlain(readYamlFile(path)))
}

function snakeKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeKeys)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [snakeCase(key), snakeKeys(inner)]),
  )
}

function annotate(map: YAMLMap, above: readonly string[], resolved: ResolvedConfig): void {
  for (const pair of map.items) {
    const key = camelCase(String(isScalar(pair.key) ? pair.key.value : pair.key))
    const path = [...above, key]
    if (isMap(pair.value)) annotate(pair.value, path, resolved)
    else if (isScalar(pair.value)) {
      const origin = resolved.origin(path)
      if (origin !== null) pair.value.comment = ` ${origin}`
    }
  }
}
