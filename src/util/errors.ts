/**
 * The six error classes of the library. Every message says what was expected, what came, where, and what to do.
 */

export type ErrorCode = 'ERR_CONFIG' | 'ERR_SHAPE' | 'ERR_DATASET' | 'ERR_SNAPSHOT' | 'ERR_NON_FINITE' | 'ERR_BINDING'

/** Causes that a program may want to tell apart within a class; the command line gives each an exit code. */
export type ErrorReason = 'locked' | 'parity' | 'out of memory' | 'disk full' | 'disk failure'

/** Base of all errors that Trivium throws on purpose; anything else that surfaces is a bug. */
export abstract class TriviumError extends Error {
  abstract readonly code: ErrorCode
  readonly reason: ErrorReason | null

  constructor(message: string, options: ErrorOptions & { readonly reason?: ErrorReason | null } = {}) {
    super(message, options)
    this.reason = options.reason ?? null
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** The reason of an error, or of what caused it. */
export function errorReason(error: unknown): ErrorReason | null {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth++) {
    if (current instanceof TriviumError && current.reason !== null) return current.reason
    if (lacksMemory(current)) return 'out of memory'
  }
  return null
}

/** Whether JavaScript's engine, Node or the system's loader of libraries was refused memory. */
export function lacksMemory(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof RangeError) return /^Array buffer allocation failed/.test(error.message)
  if (code === 'ERR_DLOPEN_FAILED') return /failed to map segment|cannot allocate memory/i.test(error.message)
  return code === 'ENOMEM' || code === 'ERR_MEMORY_ALLOCATION_FAILED'
}

/** A configuration value, flag or option is wrong. */
export class ConfigError extends TriviumError {
  readonly code = 'ERR_CONFIG'
  /** The option of a configuration that is at fault, camelCase: ['backbone', 'loraRank']. null: not known, or the message has its place. */
  readonly option: readonly string[] | null

  constructor(message: string, options: ErrorOptions & { readonly option?: readonly string[] } = {}) {
    super(message, options)
    this.option = options.option ?? null
  }
}

/** Tensors or arrays disagree on their shapes or element types. */
export class ShapeError extends TriviumError {
  readonly code = 'ERR_SHAPE'
}

/** A data set is missing, incomplete or unreadable. */
export class DatasetError extends TriviumError {
  readonly code = 'ERR_DATASET'
}

/** A snapshot, checkpoint or exported model is missing, damaged, or could not be written. */
export class SnapshotError extends TriviumError {
  readonly code = 'ERR_SNAPSHOT'
}

/** Training produced NaN or infinity. */
export class NonFiniteError extends TriviumError {
  readonly code = 'ERR_NON_FINITE'
}

/** The native addon could not be loaded, or refused a call. */
export class BindingError extends TriviumError {
  readonly code = 'ERR_BINDING'
}
