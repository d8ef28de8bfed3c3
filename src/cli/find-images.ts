/** Words of the command line → image files, in a stable order. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { ConfigError } from '../util/errors.ts'

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'])

/** The folder that is read when nothing is named. */
export const dropFolder = 'inference_images'

/**
 * Files as they are named (whatever their extension: the content decides; one that is missing fails when it is read), folders with everything below them that looks like an
 * image.
 *
 * @throws {ConfigError} when there is nothing to read
 */
export function findImages(words: readonly string[]): string[] {
  const wanted = words.length === 0 && existsSync(dropFolder) ? [dropFolder] : words
  if (wanted.length === 0) {
    throw new ConfigError(
      `expected images or folders to predict, got none. Name some, or put images into ${dropFolder}/.`,
    )
  }
  const images = wanted.flatMap((word) =>
    existsSync(word) && statSync(word).isDirectory() ? imagesBelow(word) : [word],
  )
  if (images.length === 0) {
    throw new ConfigError(`${wanted.join(', ')}: expected images (${[...EXTENSIONS].join(' ')}), found none.`)
  }
  return [...new Set(images)]
}

function imagesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(
      (entry) =>
        !entry.isDirectory() && !entry.name.startsWith('.') && EXTENSIONS.has(extname(entry.name).toLowerCase()),
    )
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
