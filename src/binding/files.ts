/** safetensors files and kernel locks. */
import { native } from './native.ts'
import type { LockHandle } from './native.ts'
import { fromHandles, toHandles } from './tensor.ts'
import type { Tensor } from './tensor.ts'

/** @throws {SnapshotError} with path and reason, whatever the bytes */
export async function readSafetensors(
  path: string,
): Promise<{ tensors: Map<string, Tensor>; metadata: Record<string, string> }> {
  const { tensors, metadata } = await native.readSafetensors(path)
  return { tensors: fromHandles(tensors), metadata }
}

/** Writes and fsyncs `path` itself; renaming a temporary file into place is the caller's part. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Record<string, string> = {},
): Promise<void> {
  await native.writeSafetensors(path, toHandles(tensors), metadata)
}

/** A kernel lock (flock): freed when its holder dies, never stale, never stolen. */
export class FileLock {
  readonly #handle: LockHandle

  private constructor(handle: LockHandle) {
    this.#handle = handle
  }

  /** Null when another holder has it. */
  static tryAcquire(path: string): FileLock | null {
    const handle = native.tryLock(path)
    return handle && new FileLock(handle)
  }

  release(): void {
    native.unlock(this.#handle)
  }
}

/** Ends the process without waiting for the engine's running job. */
export function exitNow(code: number): never {
  return native.exitNow(code)
}

/** Settles once everything queued on the engine before it has run. */
export async function drainEngine(): Promise<void> {
  await native.drain()
}
