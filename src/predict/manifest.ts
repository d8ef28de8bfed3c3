/** What an exported model says about itself: class names and the way from an image file to its input. */

import { createHash } from 'node:crypto'
import { SnapshotError } from '../util/errors.ts'
import { readOnnxFile } from './onnx-file.ts'

/** From a decoded image to the S × S × 3 bytes that the model takes; normalisation is inside the model. */
export interface PredictPreprocessing {
  /** Length of the shorter side after resizing, in pixels. */
  readonly resizeTo: number
  /** Side of the central square that is kept, in pixels: S. */
  readonly imageSize: number
  readonly interpolation: 'bilinear' | 'bicubic'
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

export interface ModelManifest {
  readonly classNames: readonly string[]
  readonly preprocessing: PredictPreprocessing
  /** Every entry of the file's metadata. */
  readonly metadata: ReadonlyMap<string, string>
}

/** The newest layout of the metadata that this reader knows. */
const FORMAT = 1

/** @throws {SnapshotError} when the bytes are not an ONNX file, are damaged, or were not written by Trivium */
export function readManifest(bytes: Uint8Array, path: string): ModelManifest {
  const file = readOnnxFile(bytes)
  if (file === null) {
    throw new SnapshotError(
      `${path}: expected an ONNX file, but it is of another format or was cut off (${bytes.length} bytes). Export the model again.`,
    )
  }
  const format = file.metadata.get('trivium.format')
  if (format === undefined) {
    throw new SnapshotError(
      `${path}: expected an ONNX file exported by Trivium, but its metadata lacks trivium.format, ` +
        'so that class names and preprocessing are unknown. Export it with: run-pipeline --phases export',
    )
  }
  if (!(Number(format) <= FORMAT)) {
    throw new SnapshotError(
      `${path}: expected metadata of format ${FORMAT}, but it has format ${format}. Use a newer version of Trivium.`,
    )
  }
  const digest = file.metadata.get('trivium.graph_sha256')
  if (digest !== createHash('sha256').update(file.graph).digest('hex')) {
    throw new SnapshotError(
      `${path}: the SHA-256 of the graph is not the recorded one; the file is damaged. Export the model again.`,
    )
  }
  return {
    classNames: classNamesOf(file.metadata, path),
    preprocessing: preprocessingOf(file.metadata, path),
    metadata: file.metadata,
  }
}

function parse(metadata: ReadonlyMap<string, string>, key: string, path: string): unknown {
  const value = metadata.get(key)
  try {
    return value === undefined ? undefined : JSON.parse(value)
  } catch {
    return damaged(path, key, value)
  }
}

function damaged(path: string, key: string, value: unknown): never {
  throw new SnapshotError(
    `${path}: expected valid metadata ${key}, but got ${JSON.stringify(value)}. Export the model again.`,
  )
}

function classNamesOf(metadata: ReadonlyMap<string, string>, path: string): string[] {
  const key = 'trivium.class_names'
  const names = parse(metadata, key, path)
  if (Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string')) return names
  return damaged(path, key, names)
}

function preprocessingOf(metadata: ReadonlyMap<string, string>, path: string): PredictPreprocessing {
  const key = 'trivium.preprocessing'
  const found = parse(metadata, key, path)
  const record = (typeof found === 'object' && found !== null ? found : {}) as Record<string, unknown>
  const { resize_to: resizeTo, image_size: imageSize, interpolation, mean, std } = record
  const isSize = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0
  const isChannels = (value: unknown): value is number[] =>
    Array.isArray(value) && value.length === 3 && value.every((item) => typeof item === 'number')
  const known = interpolation === 'bilinear' || interpolation === 'bicubic'
  if (!isSize(resizeTo) || !isSize(imageSize) || !known || !isChannels(mean) || !isChannels(std))
    return damaged(path, key, found)
  return { resizeTo, imageSize, interpolation, mean, std }
}
