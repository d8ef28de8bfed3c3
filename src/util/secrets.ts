/** Names under which secrets travel; what stands there reaches no log, no file and no server. */

export const secretNames: readonly string[] = [
  ...['token', 'apiKey', 'api_key', 'password', 'secret', 'authorization', 'accessToken', 'access_token'],
]

export const censored = '[redacted]'

/** A copy of plain data in which the values of secret names are `[redacted]`, at any depth. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, secretNames.includes(key) ? censored : withoutSecrets(inner)]),
  )
}
