/** exportTorchScript: the traced classifier as an archive that torch.jit.load reads. */

import { randomBytes } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { saveTorchScript, torch } from '../binding/index.ts'
import { ensureDir, syncDirectory, writeError } from '../util/files.ts'
import { exportMetadata } from './metadata.ts'
import { checkClasses, checkProbes } from './onnx.ts'
import type { ExportOptions } from './onnx.ts'
import { deviceOf, nativeAnswers } from './parity.ts'

export interface TorchScriptReport {
  readonly path: string
  readonly bytes: number
}

/**
 * Writes the classifier as TorchScript: uint8 [batch, S, S, 3] RGB → (logits, probabilities, features). The metadata keys of the
 * ONNX file are extra files of the archive (`torch.jit.load(path, _extra_files={'trivium.class_names': ''})`).
 *
 * @throws {SnapshotError} when the model cannot be traced or the file cannot be written; an earlier file is untouched then
 */
export async function exportTorchScript(
  options: Pick<
    ExportOptions,
    'classifier' | 'imageSize' | 'classNames' | 'preprocessing' | 'path' | 'probes' | 'metadata'
  >,
): Promise<TorchScriptReport> {
  const { classifier, imageSize, path } = options
  checkProbes(options.probes, imageSize)
  classifier.train(false)
  const { classes } = await nativeAnswers(classifier, options.probes.slice(0, 1), imageSize)
  checkClasses(options.classNames, classes)

  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
  await ensureDir(dirname(path))
  try {
    await torch.noGrad(() =>
      torch.scope(async () => {
        const pixels = Buffer.from(options.probes[0] as Uint8Array)
        const device = deviceOf(classifier)
        const example = torch.tensor(pixels, { shape: [1, imageSize, imageSize, 3], dtype: 'uint8', device })
        await saveTorchScript(classifier, example, temporary, exportMetadata(options))
      }),
    )
    const file = await open(temporary, 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
    return { path, bytes: (await stat(path)).size }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined) // the cause is what counts
    throw writeError(error, path)
  }
}
