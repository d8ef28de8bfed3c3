/** Weights in files: safetensors, read strictly, written whole or not at all. */
import { randomBytes } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { readSafetensors, writeSafetensors } from '../binding/index.ts'
import type { Tensor } from '../binding/index.ts'
import { SnapshotError } from '../util/errors.ts'
import { ensureDir, syncDirectory, writeError } from '../util/files.ts'

const pickled = new Set(['.pth', '.pt', '.bin', '.ckpt', '.pkl'])

/**
 * Every tensor of a safetensors file, on the CPU, by name.
 *
 * @throws {SnapshotError} with path and reason when the file is missing, damaged or of another kind
 */
export async function loadWeights(path: string): Promise<Map<string, Tensor>> {
  if (pickled.has(extname(path).toLowerCase())) {
    throw new SnapshotError(
      `expected a .safetensors file but got ${path}: pickled checkpoints are not read. ` +
        `Convert it once where it was made, with safetensors.torch.save_file(state_dict, "weights.safetensors").`,
    )
  }
  return (await readSafetensors(path)).tensors
}

/**
 * Writes `path` so that a crash at any moment leaves the old file or the new one: beside the target, fsynced, renamed.
 *
 * @throws {SnapshotError} when it cannot be written; an earlier file of that name is untouched then
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
  await ensureDir(folder)
  try {
    await writeSafetensors(temporary, tensors, metadata)
    await rename(temporary, path)
    await syncDirectory(folder)
  } catch (error) {
    await rm(temporary, { force: true })
    throw writeError(error, path)
  }
}
