/** What an options object may be made of: plain JavaScript can misspell a name, which would be ignored, and nobody would notice. */
import { ConfigError } from './errors.ts'
import { didYouMean } from './suggest.ts'

/** Every key of an options type once, so that one that is added to the type and not here does not compile. */
export type OptionNames<T> = { readonly [K in keyof T]-?: true }

/**
 * @param where the function or class, as its caller writes it
 * @throws {ConfigError} for what is no object, and for a name that is none of an option
 */
export function checkOptionNames(where: string, given: unknown, names: Readonly<Record<string, unknown>>): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new ConfigError(
      `${where}: expected an object of options, got ${given === null ? 'null' : Array.isArray(given) ? 'a list' : typeof given}.`,
    )
  const known = Object.keys(names)
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new ConfigError(
      `${where}: expected the options ${known.join(', ') || '(none)'}, got "${unknown}".${didYouMean(unknown, known)}`,
    )
}
