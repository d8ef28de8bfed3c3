/** What a kind of data set is to the registry: a name, a few words, and how it is opened. */
import type { DownloadContext } from '../../util/download.ts'
import type { Dataset } from '../dataset.ts'
import type { DataOptions } from '../options.ts'
import type { PictureSource } from '../source.ts'

export interface FormatContext extends DownloadContext {
  /** Side of the pictures that the phase wants. */
  readonly imageSize: number
}

/** Per RGB channel, of values scaled to 0–1. */
export interface Statistics {
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/** A data set before it is split: the parts that it has of its own. Classes are the same in all parts. */
export type OpenedData =
  | {
      /** Small pictures that lie in memory. */
      readonly kind: 'memory'
      readonly train: Dataset
      readonly validation: Dataset | null
      readonly test: Dataset | null
      /** Null: computed from the training part. */
      readonly statistics: Statistics | null
    }
  | {
      /** Encoded pictures of any size: they are decoded and resampled, and kept decoded. */
      readonly kind: 'pictures'
      readonly train: PictureSource
      readonly validation: PictureSource | null
      readonly test: PictureSource | null
      readonly statistics: Statistics
    }

export interface DatasetFormat {
  readonly summary: string
  /** Side of the pictures when nobody says otherwise. */
  readonly imageSize: number
  /** Pictures are files of any size: published weights may ask for theirs. */
  readonly inFiles: boolean
  /** @throws {DatasetError} for missing, damaged or unusable data, naming file and line (or row) and what to do */
  open(options: DataOptions, context: FormatContext): Promise<OpenedData>
}

/** ImageNet's, Krizhevsky et al. 2012 as torchvision rounds them: the usual choice for photographs. */
export const imagenetStatistics: Statistics = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
