/** Options that come from a program, against their schema: what is wrong with which key, and the key that was meant. */
import type { z } from 'zod'
import { ConfigError } from './errors.ts'
import { keysAt } from './schema-keys.ts'
import { didYouMean } from './suggest.ts'

/**
 * @param where what the options are, for the message
 * @returns them with their defaults
 * @throws {ConfigError} with every problem
 */
export function checkedOptions<T>(where: string, schema: z.ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => {
    const at = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
    if (issue.code !== 'unrecognized_keys') return `${at}${issue.message}`
    const known = keysAt(schema, issue.path)
    return `${at}${issue.keys.map((key) => `unknown key "${key}".${didYouMean(key, known)}`).join(' ')}`
  })
  throw new ConfigError(`${where}: ${problems.join('; ')}`)
}
