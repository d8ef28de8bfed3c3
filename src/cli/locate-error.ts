/** File and line for an error that was found after the configuration had been read: by the network that an option was meant for, say. */
import type { ResolvedConfig } from '../config/index.ts'
import { ConfigError } from '../util/errors.ts'

/** The same error behind the place where its option was written, or the section around it; unchanged when nothing was written. */
export function locateError(error: unknown, resolved: Pick<ResolvedConfig, 'origin'>): unknown {
  if (!(error instanceof ConfigError) || error.option === null) return error
  for (let length = error.option.length; length > 0; length--) {
    const origin = resolved.origin(error.option.slice(0, length))
    if (origin !== null) return new ConfigError(`${origin}: ${error.message}`, { cause: error })
  }
  return error
}
