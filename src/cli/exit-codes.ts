/** What the process ends with. Scripts rely on these numbers; docs/cli.md lists them. */

import { ConfigError, DatasetError, NonFiniteError, errorReason, type ErrorReason } from '../util/errors.ts'
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
  const reason = errorReason(error)
  return reason === null ? exitCodes.failure : codeOfReason[reason]
}

const codeOfReason: Record<ErrorReason, number> = {
  locked: exitCodes.locked,
  parity: exitCodes.parity,
  'out of memory': exitCodes.outOfMemory,
  'disk full': exitCodes.io,
  'disk failure': exitCodes.io,
}
