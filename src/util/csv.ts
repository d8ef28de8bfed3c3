/**
 * CSV as in RFC 4180, with a line feed as the line end. A field is quoted when it holds a comma, a quote, CR or LF, or
 * begins or ends with a blank; its characters are never changed, so that a class called `=1+1` stays `=1+1`.
 */

export type CsvValue = string | number | boolean | null | undefined

/** One line with its line feed. `null` and `undefined` are empty fields; numbers take their shortest exact form. */
export function csvLine(values: readonly CsvValue[]): string {
  return values.map(csvField).join(',') + '\n'
}

/** Splits CSV text into records; the inverse of `csvLine`, and tolerant of CRLF. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = []
  let record: string[] = []
  let field = ''
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (quoted) {
      if (c !== '"') field += c
      else if (text[i + 1] === '"') field += text[i++]!
      else quoted = false
    } else if (c === '"') {
      quoted = true
    } else if (c === ',') {
      record.push(field)
      field = ''
    } else if (c === '\n' || (c === '\r' && text[i + 1] === '\n')) {
      if (c === '\r') i++
      record.push(field)
      records.push(record)
      record = []
      field = ''
    } else {
      field += c
    }
  }
  if (field !== '' || record.length > 0) records.push([...record, field])
  return records
}

function csvField(value: CsvValue): string {
  if (value === null || value === undefined) return ''
  const text = String(value)
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
