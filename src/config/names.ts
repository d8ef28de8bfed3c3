/** YAML and flags are snake_case, the code is camelCase; both spellings are read, snake_case is written. */

import { snakeCase } from '../util/snake-case.ts'

export { snakeCase }

/** `batch_size`, `batchSize` → `batchSize`. */
export function camelCase(name: string): string {
  return name.replaceAll(/[_-]+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** `['supcon', 'batchSize']` → `supcon.batch_size`, as a user writes it. */
export function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${snakeCase(String(part))}`,
    )
    .join('')
}

/** Keys that would reach an object's prototype. */
export const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
