/**
 * One finished epoch. Its fields are named as the columns of the CSV and the keys of the JSONL; null is "not measured".
 */
import { csvLine } from '../util/csv.ts'
import { SnapshotError } from '../util/errors.ts'

export interface EpochRecord {
  readonly phase: string
  /** counted from 1 inside the phase */
  readonly epoch: number
  /** optimizer steps since the phase began */
  readonly step: number
  /** wall-clock time of this epoch */
  readonly seconds: number
  /** learning rate of the last step */
  readonly lr: number
  /** mean over the epoch */
  readonly train_loss: number
  /** fraction in 0–1; a contrastive phase has none */
  readonly train_accuracy: number | null
  readonly val_loss: number | null
  /** fraction in 0–1 */
  readonly val_accuracy: number | null
  readonly images_per_second: number
}

/** In the order of the CSV. */
const columns: readonly (keyof EpochRecord)[] = [
  'phase',
  'epoch',
  'step',
  'seconds',
  'lr',
  'train_loss',
  'train_accuracy',
  'val_loss',
  'val_accuracy',
  'images_per_second',
]

export const csvHeader: string = csvLine(columns)

export function toCsvLine(record: EpochRecord): string {
  return csvLine(columns.map((column) => record[column]))
}

/**
 * The record as one line of JSON. NaN and infinities, which JSON lacks, become the strings "NaN", "Infinity" and
 * "-Infinity" (protobuf's convention): a diverged run must show as such, not as a missing value.
 */
export function toJsonLine(record: EpochRecord): string {
  const entries = columns.map((column) => {
    const value = record[column]
    return [column, typeof value === 'number' && !Number.isFinite(value) ? String(value) : value]
  })
  return JSON.stringify(Object.fromEntries(entries)) + '\n'
}

/**
 * The inverse of `toJsonLine`. Keys that are absent are null; keys that are not columns are left out.
 *
 * @param where file and line, for the message
 * @throws {SnapshotError} when the line is not such a record
 */
export function fromJsonLine(line: string, where: string): EpochRecord {
  const parsed = parseObject(line)
  if (typeof parsed?.phase !== 'string' || typeof parsed.epoch !== 'number') {
    throw new SnapshotError(`${where}: expected one JSON record of an epoch, got ${preview(line)}. Delete that line.`)
  }
  const entries = columns.map((column) => {
    const value = parsed[column] ?? null
    return [column, column === 'phase' || value === null ? value : Number(value)]
  })
  return Object.fromEntries(entries) as EpochRecord
}

function parseObject(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown> | null
  } catch {
    return null
  }
}

function preview(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line)
}
