/** Comma-separated values, RFC 4180: quotes, quoted line ends, a byte-order mark, either line end. */
import { DatasetError } from '../../util/errors.ts'

export interface CsvRow {
  /** From 1. */
  readonly line: number
  readonly fields: readonly string[]
}

/** Rows that are not empty. @throws {DatasetError} with file and line for a quote that is not closed or stands inside a field */
export function parseCsv(text: string, path: string, delimiter: string = ','): CsvRow[] {
  const rows: CsvRow[] = []
  let fields: string[] = []
  let line = 1
  let first = 1
  let at = text.startsWith('\ufeff') ? 1 : 0
  const end = (): void => {
    if (fields.length > 1 || fields[0] !== '') rows.push({ line: first, fields })
    fields = []
  }
  while (at < text.length) {
    let field = ''
    if (text[at] === '"') {
      const opened = line
      for (at++; ; at++) {
        if (at >= text.length) throw new DatasetError(`${path}:${opened}: the quote that opens here is not closed. Close it.`)
        if (text[at] === '\n') line++
        if (text[at] !== '"') field += text[at] as string
        else if (text[at + 1] === '"') field += text[at++] as string
        else break
      }
      at++
      if (at < text.length && text[at] !== delimiter && text[at] !== '\r' && text[at] !== '\n')
        throw new DatasetError(`${path}:${line}: expected "${delimiter}" or a line end after the closing quote. Double quotes inside a field.`)
    } else {
      const from = at
      while (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') at++
      field = text.slice(from, at)
    }
    fields.push(field)
    if (text[at] === delimiter) {
      at++
      if (at >= text.length) fields.push('')
      continue
    }
    if (text[at] === '\r') at++
    if (text[at] === '\n') at++
    end()
    first = ++line
  }
  if (fields.length > 0) end()
  return rows
}
