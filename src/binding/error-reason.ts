/** Causes that native errors have only in their words: those of LibTorch, oneDNN and the C++ library. */
import type { ErrorReason } from '../util/errors.ts'

export function reasonOf(message: string): ErrorReason | null {
  if (/out of memory|not enough memory|can't allocate memory|bad_alloc/i.test(message)) return 'out of memory'
  // oneDNN names what it could not make, and memory is what it lacks then.
  if (/could not (create a (primitive|memory)|execute a primitive)/i.test(message)) return 'out of memory'
  if (/no space left|disk quota/i.test(message)) return 'disk full'
  return /input\/output error|read-only file system/i.test(message) ? 'disk failure' : null
}
