/** A table of pictures: CSV (or TSV) with a header, or JSON lines, with columns path, label and, if there are parts, split. */
import { readFile, readdir, stat } from 'node:fs/promises'
import { dirname, extname, join, resolve } from 'node:path'
import { DatasetError } from '../../util/errors.ts'
import { mapConcurrent } from '../concurrency.ts'
import type { DataOptions } from '../options.ts'
import { fileSource } from '../source.ts'
import type { PictureSource } from '../source.ts'
import { parseCsv } from './csv.ts'
import { imagenetStatistics } from './format.ts'
import type { FormatContext, OpenedData } from './format.ts'
import { numberLabels, partNamed, readClassNames } from './parts.ts'
import type { PartName } from './parts.ts'

const columns = {
  path: ['path', 'file', 'filename', 'file_name', 'image', 'image_path', 'filepath'],
  label: ['label', 'class', 'class_name', 'category', 'target'],
  split: ['split', 'part', 'subset', 'set'],
} as const

interface Row {
  readonly line: number
  readonly path: string
  readonly label: string
  readonly split: string | null
}

/** The file is `data.manifest`, or the only .csv, .tsv or .jsonl in `data.directory`; paths in it are relative to its own folder. */
export async function openManifest(options: DataOptions, { logger }: FormatContext): Promise<OpenedData> {
  const file = options.manifest ?? (await findManifest(options.directory))
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new DatasetError(`${file}: the manifest cannot be read (${String(error)}). Check data.manifest.`, { cause: error })
  })
  const rows = /^\.(?:jsonl|ndjson|json)$/i.test(extname(file)) ? jsonRows(text, file, options) : csvRows(text, file, options)
  if (rows.length === 0) throw new DatasetError(`${file}: expected a line for each picture but there are none.`)
  const root = dirname(file)
  const names = await readClassNames(root)
  const { classNames, numbers } = numberLabels(rows.map((row) => row.label), names, (i) => `${file}:${rows[i]?.line}`)
  if (classNames.length < 2) throw new DatasetError(`${file}: expected at least 2 classes but all pictures have label "${classNames[0]}".`)

  const parts: Record<PartName, { path: string; label: number }[]> = { train: [], validation: [], test: [] }
  const seen = new Map<string, number>()
  rows.forEach(({ line, path, split }, index) => {
    const part = split === null ? 'train' : partNamed(split)
    if (part === null) throw new DatasetError(`${file}:${line}: expected split train, val or test but got "${split}".`)
    const absolute = resolve(root, path)
    const earlier = seen.get(absolute)
    if (earlier !== undefined) throw new DatasetError(`${file}:${line}: ${path} is on line ${earlier} too. Keep one of them.`)
    seen.set(absolute, line)
    parts[part].push({ path: absolute, label: numbers[index] as number })
  })
  if (options.unreadable === 'fail') await requireFiles(file, seen)
  if (parts.train.length === 0) throw new DatasetError(`${file}: expected pictures with split "train" but there are none.`)
  const source = (part: PartName): PictureSource | null =>
    parts[part].length === 0 ? null : fileSource({ name: `${file} ${part}`, classNames, files: parts[part], root })
  const absent = classNames.filter((_, label) => !parts.train.some((one) => one.label === label))
  if (absent.length > 0) logger.warn(`${file}: no training picture of class "${absent.slice(0, 5).join('", "')}"`)
  return {
    kind: 'pictures',
    train: source('train') as PictureSource,
    validation: source('validation'),
    test: source('test'),
    statistics: imagenetStatistics,
  }
}

async function findManifest(directory: string): Promise<string> {
  const info = await stat(directory).catch(() => null)
  if (info?.isFile()) return directory
  const found = (await readdir(directory).catch(() => [])).filter((name) => /\.(?:csv|tsv|jsonl|ndjson)$/i.test(name))
  if (found.length === 1) return join(directory, found[0] as string)
  throw new DatasetError(
    `${directory}: expected one .csv, .tsv or .jsonl file but found ${found.length === 0 ? 'none' : found.sort().join(', ')}. ` +
      'Name it in data.manifest.',
  )
}

/** @throws {DatasetError} listing the first lines whose file is missing */
async function requireFiles(file: string, lines: ReadonlyMap<string, number>): Promise<void> {
  const missing = (
    await mapConcurrent([...lines], 16, async ([path, line]) => ((await stat(path).catch(() => null))?.isFile() ? [] : [[line, path] as const]))
  ).flat()
  const [first] = missing
  if (first === undefined) return
  const others = missing.length > 1 ? ` (and ${missing.length - 1} more lines)` : ''
  throw new DatasetError(`${file}:${first[0]}: there is no file ${first[1]}${others}. Paths are relative to the folder of the manifest.`)
}

function csvRows(text: string, file: string, options: DataOptions): Row[] {
  const delimiter = /\.tsv$/i.test(file) ? '\t' : ','
  const [header, ...rest] = parseCsv(text, file, delimiter)
  if (header === undefined) return []
  const names = header.fields.map((name) => name.trim())
  const path = columnOf(names, 'path', options.imageColumn, file)
  const label = columnOf(names, 'label', options.labelColumn, file)
  const split = columnOf(names, 'split', options.splitColumn, file)
  return rest.map(({ line, fields }) => {
    if (fields.length !== names.length)
      throw new DatasetError(`${file}:${line}: expected ${names.length} fields (${names.join(', ')}) but got ${fields.length}. Quote fields that hold "${delimiter}".`)
    const field = (place: number, what: string): string => {
      const value = (fields[place] as string).trim()
      if (value === '') throw new DatasetError(`${file}:${line}: the ${what} is empty.`)
      return value
    }
    return { line, path: field(path, 'path'), label: field(label, 'label'), split: split < 0 ? null : field(split, 'split') }
  })
}

function jsonRows(text: string, file: string, options: DataOptions): Row[] {
  const rows: Row[] = []
  text.replace(/^\ufeff/, '').split('\n').forEach((content, at) => {
    if (content.trim() === '') return
    const line = at + 1
    let value: unknown
    try {
      value = JSON.parse(content)
    } catch (error) {
      throw new DatasetError(`${file}:${line}: expected a JSON object but ${String(error)}.`, { cause: error })
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new DatasetError(`${file}:${line}: expected a JSON object such as {"path": "a.jpg", "label": "cat"}.`)
    const names = Object.keys(value)
    const field = (what: keyof typeof columns, asked: string | undefined): string | null => {
      const place = columnOf(names, what, asked, `${file}:${line}`)
      if (place < 0) return null
      const found = (value as Record<string, unknown>)[names[place] as string]
      if ((typeof found !== 'string' && !Number.isSafeInteger(found)) || found === '')
        throw new DatasetError(`${file}:${line}: expected "${names[place]}" to be a text or whole number but got ${JSON.stringify(found)}.`)
      return String(found)
    }
    rows.push({
      line,
      path: field('path', options.imageColumn) as string,
      label: field('label', options.labelColumn) as string,
      split: field('split', options.splitColumn),
    })
  })
  return rows
}

/** Place of a column; −1 for a split column that is neither asked for nor there. */
function columnOf(names: readonly string[], what: keyof typeof columns, asked: string | undefined, where: string): number {
  const wanted: readonly string[] = asked === undefined ? columns[what] : [asked]
  for (const name of wanted) {
    const place = names.findIndex((one) => one === name || (asked === undefined && one.toLowerCase() === name))
    if (place >= 0) return place
  }
  if (what === 'split' && asked === undefined) return -1
  const key = { path: 'data.image_column', label: 'data.label_column', split: 'data.split_column' }[what]
  throw new DatasetError(`${where}: expected a column "${wanted[0]}" but there are ${names.join(', ')}. Name the column in ${key}.`)
}
