/** The cache of decoded pictures. */
export { openPacked } from './open.ts'
export type { PackedContext } from './open.ts'
export { PackedPictures } from './pictures.ts'
export { cacheFolder } from './folder.ts'
