/** exportTorchScript: the traced classifier as an archive that torch.jit.load reads. */

import { randomBytes } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { saveTorchScript, torch } from '../binding/index.ts'
import { SnapshotError } from '../util/errors.ts'
import { ensureDir, syncDirectory, writeError } from '../util/files.ts'
import { withMergedAdapters } from './merged-adapters.ts'
import { exportMetadata } from './metadata.ts'
import { checkClasses, checkProbes } from './onnx.ts'
import type { ExportOptions } from './onnx.ts'
import { checkFinite, deviceOf, nativeAnswers } from './parity.ts'

/** Real images on which the written file is run again; more would prove no more and take memory. */
const PROBES = 32

export interface TorchScriptReport {
  readonly path: string
  readonly bytes: number
}

/**
 * Writes the classifier as TorchScript: uint8 [batch, S, S, 3] RGB → (logits, probabilities, features). The metadata keys of the
 * ONNX file are extra files of the archive (`torch.jit.load(path, _extra_files={'trivium.class_names': ''})`).
 *
 * The file appears only after it was loaded again and gave the native model's results on the probes (within 1e-3 of the largest).
 *
 * @throws {SnapshotError} when the model cannot be traced, the results disagree, or the file cannot be
 *   written; an earlier file is untouched then
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
  const shown = options.probes.slice(0, PROBES)
  const native = await nativeAnswers(classifier, shown, imageSize)
  checkClasses(options.classNames, native.classes)
  checkFinite(native, path)

  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`)
  await ensureDir(dirname(path))
  try {
    await torch.noGrad(() =>
      torch.scope(async () => {
        const shape = [shown.length, imageSize, imageSize, 3]
        const example = torch.tensor(Buffer.concat(shown), { shape, dtype: 'uint8', device: deviceOf(classifier) })
        await withMergedAdapters(classifier, () =>
          saveTorchScript(classifier, example, temporary, exportMetadata(options)),
        )
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
    throw withPath(writeError(error, path), temporary, path)
  }
}

/** Native messages name the temporary file, which is gone by now. */
function withPath(error: Error, temporary: string, path: string): Error {
  if (!(error instanceof SnapshotError) || !error.message.includes(temporary)) return error
  return new SnapshotError(error.message.replaceAll(temporary, path), { cause: error })
}
