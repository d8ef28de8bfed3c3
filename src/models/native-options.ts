import type { OptionValue } from '../binding/index.ts'

/** camelCase → the addon's snake_case, without what is not set. Unknown names pass: the addon refuses them with a list. */
export function nativeOptions(options: object): Record<string, OptionValue> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([key, value]) => [key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value as OptionValue]),
  )
}
