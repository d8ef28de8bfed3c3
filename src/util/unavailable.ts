/**
 * Options that a schema accepts, so that published configurations load, but whose machinery is not in this version. Setting one is
 * an error that names it; it is never ignored.
 */

/** One accepted option that cannot act yet. */
export interface Unavailable {
  /** Dotted camelCase path inside the options of the schema that lists it: `loraRank`, `wandb.enabled`. */
  readonly key: string
  /** What is missing, for people: "LoRA adapters". */
  readonly what: string
  /** Whether this value asks for the missing thing; `false`, `0`, `null` and `none` usually do not. */
  isSet(value: unknown): boolean
}

/** An entry of an unavailable list; by default everything but undefined, null, false, 0, '' and 'none' asks for the thing. */
export function unavailable(key: string, what: string, isSet: (value: unknown) => boolean = asksForIt): Unavailable {
  return { key, what, isSet }
}

/** The entries of `list` that `options` sets. */
export function findUnavailable(options: unknown, list: readonly Unavailable[]): Unavailable[] {
  return list.filter((entry) => entry.isSet(valueAt(options, entry.key)))
}

function asksForIt(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== '' && value !== 'none'
}

function valueAt(options: unknown, key: string): unknown {
  let value = options
  for (const part of key.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}
