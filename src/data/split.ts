/** Stratified splitting, and split indices as a file. */
import { readFile } from 'node:fs/promises'
import { DatasetError } from '../util/errors.ts'
import { writeFileAtomic } from '../util/files.ts'
import { permutation } from '../util/rng.ts'
import type { SplitIndices } from './dataset.ts'

/**
 * Splits so that every class keeps its share: `second` gets `fraction` of the samples, per class the floor or the ceiling of its
 * quota by the largest remainder. Every class of two or more samples appears on both sides (which may move the total by a few);
 * a class of one stays in `first`.
 *
 * @param labels   [N], non-negative
 * @param fraction share of `second`, in [0, 1)
 * @returns indices into `labels`, ascending, a pure function of the arguments
 */
export function stratifiedSplit(
  labels: Int32Array | readonly number[],
  fraction: number,
  seed: number,
): { first: number[]; second: number[] } {
  const members: number[][] = []
  labels.forEach((label, index) => (members[label] ??= []).push(index))
  const classes = Array.from(members.keys()).filter((label) => members[label] !== undefined)
  if (fraction <= 0) return { first: Array.from(labels.keys()), second: [] }

  const size = (label: number): number => (members[label] as number[]).length
  const quotas = classes.map((label) => size(label) * fraction)
  const taken = quotas.map(Math.floor)
  let left = Math.round(labels.length * fraction) - taken.reduce((sum, count) => sum + count, 0)
  const byRemainder = classes
    .map((_, at) => at)
    .sort((a, b) => remainder(quotas[b] as number) - remainder(quotas[a] as number) || a - b)
  for (const at of byRemainder) {
    if (left <= 0) break
    if (remainder(quotas[at] as number) === 0) break
    taken[at] = (taken[at] as number) + 1
    left--
  }

  const first: number[] = []
  const second: number[] = []
  classes.forEach((label, at) => {
    const own = members[label] as number[]
    const count = own.length < 2 ? 0 : Math.min(Math.max(taken[at] as number, 1), own.length - 1)
    const order = permutation(own.length, seed, label)
    order.forEach((place, rank) => (rank < count ? second : first).push(own[place] as number))
  })
  return { first: first.sort(ascending), second: second.sort(ascending) }
}

/**
 * `folds` parts that together are everything, each with every class's share to within one sample; sizes differ by at most one.
 *
 * @returns for each fold its indices into `labels`, ascending, a pure function of the arguments
 * @throws {DatasetError} when a class has fewer samples than there are folds: some fold would not test it
 */
export function stratifiedFolds(labels: Int32Array | readonly number[], folds: number, seed: number): number[][] {
  const members: number[][] = []
  labels.forEach((label, index) => (members[label] ??= []).push(index))
  const parts: number[][] = Array.from({ length: folds }, () => [])
  // Dealt like cards, each class going on where the last one stopped.
  let next = 0
  members.forEach((own, label) => {
    if (own.length < folds) {
      throw new DatasetError(
        `${folds} folds: class ${label} has ${own.length} training samples; each fold needs one. Use fewer folds (data.folds).`,
      )
    }
    for (const place of permutation(own.length, seed, label)) parts[next++ % folds]?.push(own[place] as number)
  })
  return parts.map((part) => part.sort(ascending))
}

/** At most `count` samples of each class, chosen by the seed; the first k of a class are among its first k + 1. Ascending. */
export function perClass(labels: Int32Array | readonly number[], count: number, seed: number): number[] {
  const members: number[][] = []
  labels.forEach((label, index) => (members[label] ??= []).push(index))
  const chosen: number[] = []
  members.forEach((own, label) => {
    for (const place of permutation(own.length, seed, label).slice(0, count)) chosen.push(own[place] as number)
  })
  return chosen.sort(ascending)
}

/** Writes the identities of each part as JSON. @throws {SnapshotError} when the file cannot be written */
export async function saveSplit(path: string, indices: SplitIndices): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(indices)}\n`)
}

/** Reads what saveSplit wrote. @throws {DatasetError} when it is not that */
export async function loadSplit(path: string): Promise<SplitIndices> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new DatasetError(
      `${path}: expected split indices as JSON but ${String(error)}. Remove the file to split anew.`,
    )
  }
  const part = (key: string): number[] => {
    const list = (value as Record<string, unknown> | null)?.[key]
    if (!Array.isArray(list) || !list.every((id) => Number.isSafeInteger(id) && id >= 0)) {
      throw new DatasetError(`${path}: expected "${key}" to list sample ids. Remove the file to split anew.`)
    }
    return list as number[]
  }
  return { train: part('train'), validation: part('validation'), test: part('test') }
}

function remainder(quota: number): number {
  // Rounded, or 0.1 · 30 = 3.0000000000000004 would count as having one.
  return Math.round((quota - Math.floor(quota)) * 1e9) / 1e9
}

function ascending(a: number, b: number): number {
  return a - b
}
