import type { z } from 'zod'

/**
 * The zod fields of an options type, one per key. Spreading such shapes into `z.strictObject` keeps the schema and the
 * interface in step: a key added to one and not to the other does not compile.
 */
export type OptionShape<T> = { readonly [K in keyof T]-?: z.ZodType<T[K]> }
