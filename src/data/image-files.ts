/** Finding the pictures of an image folder: class folders, splits, names. */
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { extname, join, relative } from 'node:path'
import { DatasetError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { pictureFormat } from './decode.ts'

export interface ImageFile {
  readonly path: string
  readonly label: number
}

export interface ImageTree {
  readonly classNames: readonly string[]
  /** By class name, then by path, in code-point order. */
  readonly files: readonly ImageFile[]
}

export interface ImageFolderLayout {
  readonly train: ImageTree
  /** Parts that have folders of their own. */
  readonly validation: ImageTree | null
  readonly test: ImageTree | null
}

const VALIDATION = ['val', 'valid', 'validation']
export const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set(['.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'])

/**
 * Two layouts: `train/` beside `val|valid|validation/` or `test/` (or both), each with one folder per class; or one folder of class
 * folders. Pictures may lie deeper inside a class folder; links are followed; names that begin with a dot and files that are no
 * pictures by name or content are passed over.
 *
 * @param without folders of the root that are passed over
 * @throws {DatasetError} for a missing folder, no classes, one class, a class without pictures, or parts that disagree on classes
 */
export async function findImages(
  root: string,
  logger: Logger,
  without: readonly string[] = [],
): Promise<ImageFolderLayout> {
  const entries = (await folders(root)).filter((name) => !without.includes(name))
  const train = entries.find((name) => name.toLowerCase() === 'train')
  if (train === undefined || (await folders(join(root, train))).length === 0) {
    return { train: await readTree(root, null, logger), validation: null, test: null }
  }
  const part = async (names: readonly string[], classNames: readonly string[]): Promise<ImageTree | null> => {
    const found = entries.filter((name) => names.includes(name.toLowerCase()))
    if (found.length > 1) {
      throw new DatasetError(
        `${root}: expected one of the folders ${found.join(', ')} but all are there. Keep one of them.`,
      )
    }
    return found[0] === undefined ? null : readTree(join(root, found[0]), classNames, logger)
  }
  const trainTree = await readTree(join(root, train), null, logger)
  return {
    train: trainTree,
    validation: await part(VALIDATION, trainTree.classNames),
    test: await part(['test'], trainTree.classNames),
  }
}

/**
 * Class folders of some of `classNames`.
 *
 * @throws {DatasetError} for a folder of another name, or when there is no picture at all
 */
export async function findSomeClasses(root: string, classNames: readonly string[], logger: Logger): Promise<ImageTree> {
  return readTree(root, classNames, logger, true)
}

/** @param partial a class may have no pictures */
async function readTree(
  root: string,
  expected: readonly string[] | null,
  logger: Logger,
  partial = false,
): Promise<ImageTree> {
  const byName = new Map<string, string>()
  for (const folder of await folders(root)) {
    // macOS stores é as e + accent, others as one character: both are the same class.
    const name = folder.normalize('NFC')
    const other = byName.get(name)
    if (other !== undefined)
      throw new DatasetError(`${root}: the folders "${other}" and "${folder}" have the same name. Merge them.`)
    byName.set(name, folder)
  }
  const classNames = expected ?? Array.from(byName.keys()).sort(byCodePoint)
  if (classNames.length < 2) {
    throw new DatasetError(
      `${root}: expected at least 2 folders, one for each class, but found ${classNames.length}. ` +
        'Put the pictures of each class into a folder named after it.',
    )
  }
  const known = new Set(classNames)
  const unknown = Array.from(byName.keys()).filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new DatasetError(
      `${root}: expected the classes of the training part but found "${unknown.slice(0, 5).join('", "')}" too. ` +
        'Rename or remove the folder, or add it to the training part.',
    )
  }
  const files: ImageFile[] = []
  const empty: string[] = []
  let passedOver = 0
  for (const [label, name] of classNames.entries()) {
    const folder = byName.get(name)
    const found: string[] = []
    if (folder !== undefined) passedOver += await collect(join(root, folder), found, new Set())
    if (found.length === 0) empty.push(name)
    for (const path of found.sort(byCodePoint)) files.push({ path, label })
  }
  if (empty.length === classNames.length) {
    throw new DatasetError(
      `${root}: expected JPEG, PNG, WebP, GIF, TIFF or AVIF pictures in the class folders but found none.`,
    )
  }
  if (empty.length > 0 && !partial) {
    throw new DatasetError(
      `${root}: class "${empty[0]}" has no images${empty.length > 1 ? ` (and ${empty.length - 1} more classes)` : ''}. ` +
        'Add images or remove the class folder.',
    )
  }
  if (passedOver > 0) logger.warn(`${root}: ${passedOver} files are no pictures and were passed over`)
  return { classNames, files }
}

/** Appends the pictures below `folder`; returns how many other files there were. `seen` guards against links in a circle. */
async function collect(folder: string, into: string[], seen: Set<string>): Promise<number> {
  const real = await realpath(folder)
  if (seen.has(real)) return 0
  seen.add(real)
  let passedOver = 0
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => byCodePoint(a.name, b.name))) {
    if (isHidden(entry.name)) continue
    const path = join(folder, entry.name)
    const info = entry.isSymbolicLink() ? await stat(path).catch(() => null) : entry
    if (info?.isDirectory()) passedOver += await collect(path, into, seen)
    else if (info !== null && !info.isFile()) passedOver++ // a pipe would be waited for
    else if (IMAGE_EXTENSIONS.has(extname(entry.name).toLowerCase())) into.push(path)
    else if (info !== null && (await startsAsPicture(path))) into.push(path)
    else passedOver++
  }
  return passedOver
}

async function startsAsPicture(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => null)
  if (file === null) return false
  try {
    const head = new Uint8Array(64)
    const { bytesRead } = await file.read(head, 0, head.length, 0)
    return pictureFormat(head.subarray(0, bytesRead)) !== null
  } finally {
    await file.close()
  }
}

/** Names of the folders (or links to folders) in `root`, without hidden ones, in code-point order. */
async function folders(root: string): Promise<string[]> {
  let entries
  try {
    entries = await readdir(root, { withFileTypes: true })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const what =
      code === 'ENOENT'
        ? 'there is no such folder'
        : code === 'ENOTDIR'
          ? 'it is a file'
          : `it cannot be read (${code})`
    throw new DatasetError(
      `${relative('', root) || root}: expected a folder of class folders but ${what}. Check data.directory (or --data).`,
      { cause: error },
    )
  }
  const names: string[] = []
  for (const entry of entries) {
    if (isHidden(entry.name)) continue
    const folder = entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(join(root, entry.name))))
    if (folder) names.push(entry.name)
  }
  return names.sort(byCodePoint)
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  )
}

function isHidden(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX'
}

/** UTF-8 byte order, which is what Python's sorted() gives; JavaScript's own order differs beyond the basic plane. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
