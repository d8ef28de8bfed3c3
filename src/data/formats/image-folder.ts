/** Class folders of picture files. */
import { join } from 'node:path'
import { findImages } from '../image-files.ts'
import type { ImageTree } from '../image-files.ts'
import type { DataOptions } from '../options.ts'
import { fileSource } from '../source.ts'
import type { PictureSource } from '../source.ts'
import { imagenetStatistics } from './format.ts'
import type { FormatContext, OpenedData } from './format.ts'

export async function openImageFolder({ directory }: DataOptions, { logger }: FormatContext): Promise<OpenedData> {
  const { train, validation, test } = await findImages(directory, logger)
  const source = (tree: ImageTree, folder: string): PictureSource =>
    fileSource({ ...tree, name: join(directory, folder), root: directory })
  const whole = validation === null && test === null
  return {
    kind: 'pictures',
    train: source(train, whole ? '' : 'train'),
    validation: validation && source(validation, 'val'),
    test: test && source(test, 'test'),
    statistics: imagenetStatistics,
  }
}
