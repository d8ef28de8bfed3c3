/** Names and places of the files in a tar archive, without reading their content: POSIX ustar, pax and GNU long names. */
import type { FileHandle } from 'node:fs/promises'
import { DatasetError } from '../../util/errors.ts'

export interface TarEntry {
  readonly name: string
  readonly offset: number
  readonly length: number
}

const BLOCK = 512

/** Files only; folders and links are passed over. @throws {DatasetError} with the place of a head that is damaged, or cut off */
export async function* tarEntries(file: FileHandle, path: string): AsyncGenerator<TarEntry> {
  const { size } = await file.stat()
  const head = Buffer.alloc(BLOCK)
  let longName: string | null = null
  let longSize: number | null = null
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(head, 0, BLOCK, at)
    if (bytesRead < BLOCK) throw new DatasetError(`${path}: the archive ends at byte ${size} inside an entry. Fetch it again.`)
    if (head.every((byte) => byte === 0)) return
    if (checksum(head) !== octal(head, 148, 8))
      throw new DatasetError(`${path}: expected the head of a tar entry at byte ${at} but its checksum is wrong. Fetch the file again.`)
    const kind = String.fromCharCode(head[156] as number)
    const length = longSize !== null && kind !== 'x' ? longSize : octal(head, 124, 12)
    const offset = at + BLOCK
    if (!(length >= 0) || offset + length > size)
      throw new DatasetError(`${path}: the archive ends at byte ${size} inside an entry that begins at ${at}. Fetch it again.`)
    at = offset + Math.ceil(length / BLOCK) * BLOCK
    if (kind === 'x' || kind === 'g' || kind === 'L') {
      if (length > 1 << 20) throw new DatasetError(`${path}: the entry at byte ${offset - BLOCK} has a name of ${length} bytes.`)
      const text = (await file.read(Buffer.alloc(length), 0, length, offset)).buffer
      if (kind === 'L') longName = textOf(text, 0, length)
      else if (kind === 'x') {
        const records = pax(text)
        longName = records.get('path') ?? longName
        longSize = records.has('size') ? Number(records.get('size')) : longSize
      }
      continue
    }
    const prefix = textOf(head, 257, 5) === 'ustar' ? textOf(head, 345, 155) : ''
    const short = textOf(head, 0, 100)
    const name = longName ?? (prefix === '' ? short : `${prefix}/${short}`)
    longName = null
    longSize = null
    if (kind === '0' || kind === '\0' || kind === '7') yield { name, offset, length }
  }
}

/** "27 path=some/long/name\n": length of the whole record, key, value. */
function pax(text: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(' ', at)
    const length = Number(text.toString('latin1', at, space))
    if (space < 0 || !(length > 0)) break
    const record = text.toString('utf8', space + 1, at + length - 1)
    const equals = record.indexOf('=')
    records.set(record.slice(0, equals), record.slice(equals + 1))
    at += length
  }
  return records
}

/** Octal digits, or big-endian with the top bit set (sizes beyond 8 GB). */
function octal(bytes: Buffer, at: number, length: number): number {
  if ((bytes[at] as number) & 0x80) return Number(bytes.readBigUInt64BE(at + length - 8) & 0x1fffffffffffffn)
  return parseInt(textOf(bytes, at, length).trim() || '0', 8)
}

/** With the field itself read as spaces. */
function checksum(head: Buffer): number {
  return head.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0)
}

function textOf(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at)
  return bytes.toString('utf8', at, end < 0 || end > at + length ? at + length : end)
}
