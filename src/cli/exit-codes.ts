/** What the process ends with. Scripts rely on these numbers; docs/cli.md lists them. */

import { ConfigError, DatasetError, NonFiniteError } from '../util/errors.ts'
import { systemCode } from '../util/files.ts'

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  data: 3,
  diverged: 4,
  outOfMemory: 5,
  locked: 6,
  parity: 7,
  io: 74,
  interrupted: 75,
  sigint: 130,
  sigterm: 143,
} as const

const IO_CODES = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'])

/** The exit code of an error that ended the program. */
export function exitCodeOf(error: unknown): number {
  const io = systemCode(error)
  if (io !== null && IO_CODES.has(io)) return exitCodes.io
  if (io === 'ENOMEM') return exitCodes.outOfMemory
  if (error instanceof ConfigError) return exitCodes.usage
  if (error instanceof DatasetError) return exitCodes.data
  if (error instanceof NonFiniteError) return exitCodes.diverged
  const reason = reasonOf(error)
  if (reason !== null) return exitCodes[reason]
  return exitCodes.failure
}

/** Causes that have a number of their own but no error class of their own; native errors carry them in their words. */
function reasonOf(error: unknown): 'outOfMemory' | 'locked' | 'parity' | 'io' | null {
  const message = error instanceof Error ? error.message : ''
  if (/out of memory|not enough memory|can't allocate memory|bad_alloc/i.test(message)) return 'outOfMemory'
  if (/no space left|disk quota/i.test(message)) return 'io'
  if (/is locked|only process that works/i.test(message)) return 'locked'
  if (/disagree|differs? from the native model|parity/i.test(message)) return 'parity'
  return null
}
