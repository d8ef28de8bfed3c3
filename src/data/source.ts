/** Encoded pictures by index: what a format provides, before anything is decoded. */
import { stat } from 'node:fs/promises'
import { relative } from 'node:path'
import type { EncodedPicture } from '../binding/index.ts'
import { DatasetError } from '../util/errors.ts'
import { mapConcurrent } from './concurrency.ts'

export interface PictureSource {
  readonly name: string
  readonly classNames: readonly string[]
  /** [N] */
  readonly labels: Int32Array
  /** What messages and tables call a picture: its path, or its place in a larger file. */
  nameOf(index: number): string
  /** @throws {DatasetError} when the bytes cannot be had */
  encoded(index: number): Promise<EncodedPicture>
  /**
   * A line for each file (or row) that changes when its content may have: name, size and time of change. What was decoded before
   * is used again only when all are the same.
   */
  fingerprint(signal?: AbortSignal): Promise<string[]>
}

export interface LabelledFile {
  readonly path: string
  readonly label: number
}

/** One file a picture. */
export function fileSource(o: {
  readonly name: string
  readonly classNames: readonly string[]
  readonly files: readonly LabelledFile[]
  /** Paths in the fingerprint are relative to it, so that a moved folder keeps it. */
  readonly root: string
}): PictureSource {
  const pathOf = (index: number): string => (o.files[index] as LabelledFile).path
  return {
    name: o.name,
    classNames: o.classNames,
    labels: Int32Array.from(o.files, (file) => file.label),
    nameOf: pathOf,
    encoded: (index) => Promise.resolve(pathOf(index)),
    fingerprint: (signal) =>
      mapConcurrent(
        o.files,
        16,
        // A missing file is met when it is decoded, with all the others that cannot be read.
        async ({ path, label }) => `${relative(o.root, path)} ${label} ${await fileState(path).catch(() => 'missing')}`,
        signal,
      ),
  }
}

/** Size and time of change of a file. @throws {DatasetError} when it is missing */
export async function fileState(path: string): Promise<string> {
  try {
    const info = await stat(path, { bigint: true })
    return `${info.size} ${info.mtimeNs}`
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new DatasetError(`${path}: the file cannot be read (${why}).`, { cause: error })
  }
}
