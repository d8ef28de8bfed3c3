/** safetensors files and kernel locks. */
import { native } from './native.ts'
import type { LockHandle, StoredTensor } from './native.ts'
import { fromHandles, toHandles } from './tensor.ts'
import type { Tensor } from './tensor.ts'

/** @throws {SnapshotError} with path and reason, whatever the bytes */
export async function readSafetensors(
  path: string,
): Promise<{ tensors: Map<string, Tensor>; metadata: Record<string, string> }> {
  const { tensors, metadata } = await native.readSafetensors(path)
  return { tensors: fromHandles(tensors), metadata }
}

/**
 * Tensors at known places of a file of any format. Each run of bytes is read once, straight into the memory that its tensors keep.
 *
 * @param storages runs of bytes: place in the file and length
 * @throws {SnapshotError} with path and reason when a run lies outside the file, or a tensor outside its run
 */
export async function readTensors(
  path: string,
  storages: readonly (readonly [offset: number, bytes: number])[],
  tensors: readonly StoredTensor[],
): Promise<Map<string, Tensor>> {
  return fromHandles(await native.readTensors(path, storages, tensors))
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
