/** From what a user names to the model file: an .onnx file, or a run's folder that holds one. */

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SnapshotError } from '../util/errors.ts'

/** The name that the export phase gives its file. */
const MODEL = 'model.onnx'

/**
 * A file is taken as it is. In a folder: model.onnx, or the only .onnx file, in the folder itself or its `export` folder.
 *
 * @throws {SnapshotError} when there is none, or more than one to choose from
 */
export async function locateModel(path: string): Promise<string> {
  const status = await stat(path).catch((cause: unknown) => {
    throw new SnapshotError(
      `${path}: expected an exported model (.onnx) or a run's folder, but there is nothing. Train and export first: run-pipeline`,
      { cause },
    )
  })
  if (!status.isDirectory()) return path
  for (const folder of [path, join(path, 'export')]) {
    const files = (await listFiles(folder)).filter((name) => name.endsWith('.onnx') && !name.startsWith('.'))
    if (files.includes(MODEL)) return join(folder, MODEL)
    if (files.length === 1) return join(folder, files[0] as string)
    if (files.length > 1) {
      throw new SnapshotError(
        `${folder}: expected one .onnx file, but found ${files.sort().join(', ')}. Name the file itself.`,
      )
    }
  }
  throw new SnapshotError(
    `${path}: expected an exported model (${MODEL} or export/${MODEL}) in this folder, but there is none. ` +
      'Run the export phase of that run: run-pipeline --phases export',
  )
}

async function listFiles(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw new SnapshotError(`${folder}: cannot be listed: ${(error as Error).message}`, { cause: error })
  }
}
