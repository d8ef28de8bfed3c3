/** Names of the parts of a data set, as files, folders and columns spell them; and of its classes. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatasetError } from '../../util/errors.ts'

export type PartName = 'train' | 'validation' | 'test'

const spellings: Readonly<Record<string, PartName>> = {
  train: 'train',
  training: 'train',
  val: 'validation',
  valid: 'validation',
  validation: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
  t10k: 'test',
}

/** The part that a word names, or null. */
export function partNamed(word: string): PartName | null {
  const key = word.trim().toLowerCase()
  return Object.hasOwn(spellings, key) ? (spellings[key] as PartName) : null
}

/** The part that a path names: `train-00000-of-00002.parquet`, `data/val/0.tar`; the file's own name counts first. */
export function partOfPath(path: string): PartName | null {
  for (const step of path.split(/[/\\]/).reverse()) {
    const part = partNamed(/^[A-Za-z0-9]+/.exec(step)?.[0].replace(/\d+$/, '') ?? '') ?? partNamed(step)
    if (part !== null) return part
  }
  return null
}

/**
 * Numbers for the labels of a data set that writes them as words or numbers.
 *
 * With `names` a label is one of them or a place in them. Without: whole numbers are classes of their own in numeric order, called
 * by their number (a number that nobody has is no class); anything else is a name, in code-point order.
 *
 * @param where of the i-th label, for messages: "manifest.csv:12"
 * @throws {DatasetError} naming the place of the first label that does not fit
 */
export function numberLabels(
  labels: readonly string[],
  names: readonly string[] | null,
  where: (index: number) => string,
): { classNames: readonly string[]; numbers: Int32Array } {
  const classNames = names ?? distinct(labels)
  const places = new Map(classNames.map((name, place) => [name, place]))
  const numbers = Int32Array.from(labels, (label, index) => {
    const place = places.get(label) ?? (names !== null && /^\d+$/.test(label) ? Number(label) : -1)
    if (place < 0 || place >= classNames.length) {
      throw new DatasetError(
        `${where(index)}: expected one of the ${classNames.length} classes ("${classNames.slice(0, 3).join('", "')}", …)` +
          ` but got "${label}". Correct the label, or the list of classes.`,
      )
    }
    return place
  })
  return { classNames, numbers }
}

function distinct(labels: readonly string[]): string[] {
  const all = [...new Set(labels)]
  if (all.every((label) => /^\d{1,9}$/.test(label))) return all.sort((a, b) => Number(a) - Number(b))
  return all.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

/** The lines of `classes.txt` (or `classnames.txt`) in the folder, or null. @throws {DatasetError} for a name that comes twice */
export async function readClassNames(directory: string): Promise<string[] | null> {
  for (const name of ['classes.txt', 'classnames.txt']) {
    const path = join(directory, name)
    const text = await readFile(path, 'utf8').catch(() => null)
    if (text === null) continue
    const lines = text.replace(/^\ufeff/, '').split(/\r?\n/).map((line) => line.trim())
    while (lines.at(-1) === '') lines.pop()
    lines.forEach((line, at) => {
      if (line === '') throw new DatasetError(`${path}:${at + 1}: expected the name of a class but the line is empty.`)
      const earlier = lines.indexOf(line)
      if (earlier < at) throw new DatasetError(`${path}:${at + 1}: "${line}" is on line ${earlier + 1} too. Give each class a name of its own.`)
    })
    return lines
  }
  return null
}
