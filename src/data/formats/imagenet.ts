/**
 * ImageNet's layout (ILSVRC 2012): train/<synset>/ beside val/, which is flat with a file of labels, or has synset folders too. The
 * folders of the Kaggle archive (ILSVRC/Data/CLS-LOC) are found below `data.directory`.
 */
import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { DatasetError } from '../../util/errors.ts'
import { IMAGE_EXTENSIONS, findImages } from '../image-files.ts'
import type { DataOptions } from '../options.ts'
import { fileSource } from '../source.ts'
import type { LabelledFile } from '../source.ts'
import { imagenetStatistics } from './format.ts'
import type { FormatContext, OpenedData } from './format.ts'

const labelFiles = [
  ...['val_labels.txt', 'val.txt', 'LOC_val_solution.csv', 'imagenet_2012_validation_synset_labels.txt'],
  ...['ILSVRC2012_validation_synset_labels.txt', 'ILSVRC2012_validation_ground_truth.txt'],
]
const nameFiles = ['LOC_synset_mapping.txt', 'synset_words.txt', 'words.txt']

export async function openImageNet(options: DataOptions, { logger }: FormatContext): Promise<OpenedData> {
  const { directory } = options
  const root = (await isFolder(join(directory, 'ILSVRC/Data/CLS-LOC/train'))) ? join(directory, 'ILSVRC/Data/CLS-LOC') : directory
  if (!(await isFolder(join(root, 'train'))))
    throw new DatasetError(`${root}: expected train/ with a folder for each synset but it is not there. Check data.directory.`)
  const validation = join(root, 'val')
  const flat = (await isFolder(validation)) && !(await hasFolders(validation))
  // A flat folder is no class folder: the tree is read without it.
  const layout = await findImages(root, logger, flat ? ['val'] : [])
  const synsets = layout.train.classNames
  const classNames = await wordsFor(synsets, [root, directory])
  const test = flat ? await flatFiles(validation, await labelsOf(options, [root, directory]), synsets) : layout.validation?.files
  const source = (files: readonly LabelledFile[], folder: string): ReturnType<typeof fileSource> =>
    fileSource({ name: join(root, folder), classNames, files, root })
  return {
    kind: 'pictures',
    train: source(layout.train.files, 'train'),
    validation: null,
    test: test === undefined ? null : source(test, 'val'),
    statistics: imagenetStatistics,
  }
}

/** Pictures of a flat folder in the order of their names, with the labels of a file. */
async function flatFiles(folder: string, labels: string, synsets: readonly string[]): Promise<LabelledFile[]> {
  const files = (await readdir(folder)).filter((name) => IMAGE_EXTENSIONS.has(extname(name).toLowerCase())).sort()
  if (files.length === 0) throw new DatasetError(`${folder}: expected pictures but found none.`)
  const places = new Map(synsets.map((synset, place) => [synset, place]))
  const number = (label: string, where: string): number => {
    const place = /^\d{1,4}$/.test(label) ? Number(label) : places.get(label)
    if (place === undefined || place >= synsets.length)
      throw new DatasetError(`${where}: expected one of the ${synsets.length} folders of train/ but got "${label}".`)
    return place
  }
  const lines = (await readFile(labels, 'utf8')).replace(/^\ufeff/, '').split(/\r?\n/).map((line) => line.trim())
  while (lines.at(-1) === '') lines.pop()
  const rows = lines.map((line) => line.split(/[\s,;]+/))
  const skipped = /^image_?id$/i.test(rows[0]?.[0] ?? '') ? 1 : 0
  const bare = rows.slice(skipped).every((row) => row.length === 1)
  if (bare) {
    const [first = ''] = rows[skipped] ?? []
    if (/^\d+$/.test(first)) {
      throw new DatasetError(
        `${labels}:${skipped + 1}: a bare number is ambiguous: ILSVRC2012_validation_ground_truth.txt counts in the order of the ` +
          'development kit, everybody else in the order of the synsets. Give a file with a synset (n01440764) on each line, or ' +
          'lines of file name and label, in data.label_file.',
      )
    }
    if (rows.length - skipped !== files.length)
      throw new DatasetError(`${labels}: expected ${files.length} labels, one for each picture of ${folder}, but got ${rows.length - skipped}.`)
    return files.map((name, at) => {
      const line = at + skipped
      return { path: join(folder, name), label: number(rows[line]?.[0] ?? '', `${labels}:${line + 1}`) }
    })
  }
  const byName = new Map<string, number>()
  rows.forEach(([name = '', label = ''], at) => {
    if (at < skipped) return
    const stem = basename(name, extname(name))
    if (byName.has(stem)) throw new DatasetError(`${labels}:${at + 1}: ${name} has a label already. Keep one line for each picture.`)
    byName.set(stem, number(label, `${labels}:${at + 1}`))
  })
  return files.map((name) => {
    const label = byName.get(basename(name, extname(name)))
    if (label === undefined) throw new DatasetError(`${labels}: expected a line for ${name} but there is none. Is it the file of this folder?`)
    return { path: join(folder, name), label }
  })
}

async function labelsOf({ labelFile }: DataOptions, folders: readonly string[]): Promise<string> {
  if (labelFile !== undefined) return labelFile
  for (const folder of folders)
    for (const name of labelFiles) if (await stat(join(folder, name)).catch(() => null)) return join(folder, name)
  throw new DatasetError(
    `${folders[0]}/val: the pictures lie without class folders, so that a file must tell their labels: expected ` +
      `${labelFiles.slice(0, 3).join(', ')} beside it, or data.label_file.`,
  )
}

/** "tench, Tinca tinca" for n01440764 where a mapping lies there; a name that several synsets have gets the synset behind it. */
async function wordsFor(synsets: readonly string[], folders: readonly string[]): Promise<readonly string[]> {
  for (const folder of folders) {
    for (const file of nameFiles) {
      const text = await readFile(join(folder, file), 'utf8').catch(() => null)
      if (text === null) continue
      const words = new Map(
        text.split(/\r?\n/).flatMap((line) => {
          const match = /^(\S+)\s+(.+)$/.exec(line.trim())
          return match === null ? [] : [[match[1] as string, match[2] as string] as const]
        }),
      )
      const names = synsets.map((synset) => words.get(synset) ?? synset)
      return names.map((name, place) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${synsets[place]})`))
    }
  }
  return synsets
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false
}

async function hasFolders(path: string): Promise<boolean> {
  return (await readdir(path, { withFileTypes: true })).some((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
}
