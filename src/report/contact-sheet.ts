/** Rows of small pictures with words under each, as one PNG; the same on every machine (one shipped font). */
import { crc32, deflateSync } from 'node:zlib'
import { packageFile } from '../util/package-root.ts'

export interface SheetPicture {
  /** [side, side, 3] levels, row by row. */
  readonly pixels: Uint8Array
  readonly side: number
  /** Words under the picture, one a line; long lines are broken. */
  readonly lines: readonly string[]
}

export interface SheetOptions {
  readonly title: string
  /** What stands on top of each column. */
  readonly columns: readonly string[]
}

/** Side of a shown picture, height of a line and characters to a line, for pictures of usual size. */
const SHOWN = 168
const LINE = 13
const LETTERS = 30
const GAP = 10

/** @param rows pictures of one data-set image in each, as many as there are columns */
export async function contactSheet(rows: readonly (readonly SheetPicture[])[], options: SheetOptions): Promise<Buffer> {
  const { Resvg } = await import('@resvg/resvg-js')
  const font = {
    fontFiles: [packageFile('src/report/assets/DejaVuSans.ttf')],
    loadSystemFonts: false,
    defaultFontFamily: 'DejaVu Sans',
  }
  return new Resvg(sheetSvg(rows, options), { font, fitTo: { mode: 'zoom', value: 1.5 } }).render().asPng()
}

function sheetSvg(rows: readonly (readonly SheetPicture[])[], { title, columns }: SheetOptions): string {
  const width = columns.length * (SHOWN + GAP) + GAP
  const parts: string[] = [text(title, GAP, 22, 14)]
  columns.forEach((column, i) => parts.push(text(column, GAP + i * (SHOWN + GAP), 44, 11)))
  let top = 52
  for (const row of rows) {
    const words = row.map(({ lines }) => lines.flatMap(broken))
    row.forEach(({ pixels, side }, i) => {
      const left = GAP + i * (SHOWN + GAP)
      const source = `data:image/png;base64,${encodePng(pixels, side).toString('base64')}`
      parts.push(
        `<image x="${left}" y="${top}" width="${SHOWN}" height="${SHOWN}" image-rendering="optimizeSpeed" href="${source}"/>`,
      )
      words[i]?.forEach((line, k) => parts.push(text(line, left, top + SHOWN + LINE * (k + 1), 9.5)))
    })
    top += SHOWN + LINE * Math.max(1, ...words.map((lines) => lines.length)) + GAP + 4
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}">` +
    `<rect width="100%" height="100%" fill="white"/>${parts.join('')}</svg>`
  )
}

function text(words: string, x: number, y: number, size: number): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return `<text x="${x}" y="${y}" font-family="DejaVu Sans" font-size="${size}" fill="#222">${escaped}</text>`
}

/** A line in pieces of at most LETTERS characters, parted at spaces where there are any. */
function broken(line: string): string[] {
  const pieces: string[] = []
  let current = ''
  for (const word of line.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > LETTERS) {
      pieces.push(current)
      current = `  ${word}`
    } else current = current === '' ? word : `${current} ${word}`
  }
  return [...pieces, current]
}

/** Eight-bit RGB without filters: W3C PNG, 2nd edition. */
function encodePng(pixels: Uint8Array, side: number): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const rows = Buffer.alloc(side * (side * 3 + 1))
  for (let y = 0; y < side; y++) rows.set(pixels.subarray(y * side * 3, (y + 1) * side * 3), y * (side * 3 + 1) + 1)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  out.set(body, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}
