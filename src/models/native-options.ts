import type { OptionValue } from '../binding/index.ts'
import { snakeCase } from '../util/snake-case.ts'

/** camelCase → the addon's snake_case, without what is not set. Unknown names pass: the addon refuses them with a list. */
export function nativeOptions(options: object): Record<string, OptionValue> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([key, value]) => [snakeCase(key), value as OptionValue]),
  )
}
