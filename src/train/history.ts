/**
 * The history of a phase as logs/<run>/<phase>.csv and, one object a line for all phases, logs/<run>/metrics.jsonl.
 *
 * Both are rewritten whole from the training state after each epoch, so that a resume neither repeats nor loses a row.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../util/files.ts'
import { historyColumns, type EpochRecord } from './state.ts'

export class HistoryFiles {
  readonly csvPath: string
  readonly jsonlPath: string
  readonly #otherLines: readonly string[]

  private constructor(csvPath: string, jsonlPath: string, otherLines: readonly string[]) {
    this.csvPath = csvPath
    this.jsonlPath = jsonlPath
    this.#otherLines = otherLines
  }

  static async open(folder: string, phase: string): Promise<HistoryFiles> {
    const jsonlPath = join(folder, 'metrics.jsonl')
    const text = await readFile(jsonlPath, 'utf8').catch(() => '')
    const others = text.split('\n').filter((line) => line !== '' && phaseOf(line) !== phase)
    return new HistoryFiles(join(folder, `${phase}.csv`), jsonlPath, others)
  }

  async write(history: readonly EpochRecord[]): Promise<void> {
    const rows = history.map((record) => historyColumns.map((column) => record[column] ?? '').join(','))
    await writeFileAtomic(this.csvPath, `${[historyColumns.join(','), ...rows].join('\n')}\n`)
    const lines = [...this.#otherLines, ...history.map((record) => JSON.stringify(record))]
    await writeFileAtomic(this.jsonlPath, lines.map((line) => `${line}\n`).join(''))
  }
}

function phaseOf(line: string): unknown {
  try {
    return (JSON.parse(line) as { phase?: unknown }).phase
  } catch {
    return null
  }
}
