/** Weights in files: read by what is in them, whatever their ending; written whole or not at all. */
import { randomBytes } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { readSafetensors, writeSafetensors } from '../binding/index.ts'
import type { Tensor } from '../binding/index.ts'
import { SnapshotError } from '../util/errors.ts'
import { ensureDir, syncDirectory, writeError } from '../util/files.ts'
import { ByteFile } from './checkpoint/byte-file.ts'
import { findStateDict, keysOf, prefixNote, withoutPrefixes } from './checkpoint/state-dict.ts'
import { readTorchFile, torchFormat } from './checkpoint/torch-file.ts'

export interface WeightsFile {
  /** By name, on the CPU. */
  readonly tensors: Map<string, Tensor>
  /** Text that a safetensors file carries beside them. */
  readonly metadata: Readonly<Record<string, string>>
  /** Which part of a checkpoint they are: `under "state_dict", without the prefix "module."`; empty when all of the file. */
  readonly found: string
}

/**
 * The tensors of a safetensors file, or of a checkpoint of torch.save in either of its formats: a state dict, alone or under one of
 * the usual keys (averaged weights before others). Only tensors are read, nothing of a pickle is run.
 *
 * @throws {SnapshotError} with path and reason when the file is missing, damaged or of another kind
 */
export async function readWeights(path: string): Promise<WeightsFile> {
  const format = torchFormat(await headOf(path))
  if (format === null) {
    const { tensors, metadata } = await readSafetensors(path)
    const plain = withoutPrefixes(tensors)
    return { tensors: plain.tensors, metadata, found: prefixNote(plain.removed) }
  }
  const file = await readTorchFile(path, format)
  const state = findStateDict(file.content)
  if (state === null) {
    throw new SnapshotError(
      `${path}: expected tensors under names, at the top or under "state_dict" or "model", but it holds ` +
        `${keysOf(file.content)}. Save model.state_dict() where it was made.`,
    )
  }
  return { tensors: await file.load(state.tensors), metadata: {}, found: state.found }
}

/** Every tensor of a file of weights, by name, on the CPU; see readWeights. */
export async function loadWeights(path: string): Promise<Map<string, Tensor>> {
  return (await readWeights(path)).tensors
}

async function headOf(path: string): Promise<Buffer> {
  const file = await ByteFile.open(path)
  try {
    const head = await file.read(0, Math.min(file.size, 263))
    if (head.toString('latin1', 257, 262) === 'ustar') {
      throw new SnapshotError(
        `${path}: this is a tar archive, as PyTorch wrote checkpoints before 0.1.10. Load it there and save it again.`,
      )
    }
    return head
  } finally {
    await file.close()
  }
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
