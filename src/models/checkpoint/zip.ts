/**
 * The directory of a zip file as torch.save writes them: entries stored without compression, sizes beyond 4 GB in zip64 fields.
 * Nothing is unpacked: what matters is where in the file each entry's bytes lie. Format: PKWARE APPNOTE 6.3, sections 4.3–4.5.
 */
import { SnapshotError } from '../../util/errors.ts'
import type { ByteFile } from './byte-file.ts'

export interface ZipEntry {
  /** Where its local header lies. */
  readonly header: number
  /** Bytes. */
  readonly size: number
  /** 0: stored. */
  readonly method: number
}

const END = 0x06054b50
const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50
const CENTRAL = 0x02014b50
const LOCAL = 0x04034b50

const LARGEST_DIRECTORY = 64 * 2 ** 20
const MOST_ENTRIES = 1_000_000

/** @throws {SnapshotError} when the directory is damaged, or larger than any checkpoint's */
export async function readZipDirectory(file: ByteFile): Promise<Map<string, ZipEntry>> {
  const { count, size, offset } = await findDirectory(file)
  if (size > LARGEST_DIRECTORY || count > MOST_ENTRIES) file.fail(`its directory claims ${count} entries`)
  const bytes = await file.read(offset, size)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let i = 0; i < count; i++) {
    if (at + 46 > size || bytes.readUInt32LE(at) !== CENTRAL) file.fail(`entry ${i} of its directory is missing`)
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ]
    const end = at + 46 + nameLength + extraLength + commentLength
    if (end > size) file.fail(`entry ${i} of its directory is cut off`)
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength)
    if ((bytes.readUInt16LE(at + 8) & 1) !== 0) file.fail(`its entry "${name}" is encrypted`)
    if (entries.has(name)) file.fail(`its entry "${name}" is there twice`)
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength)
    const wide = zip64Fields(extra)
    const pick = (field: number): number => {
      const value = bytes.readUInt32LE(at + field)
      return value === 0xffffffff ? (wide.shift() ?? file.fail(`entry "${name}" lacks its size`)) : value
    }
    const unpacked = pick(24)
    const packed = pick(20)
    const header = pick(42)
    const method = bytes.readUInt16LE(at + 10)
    if (method === 0 && packed !== unpacked) file.fail(`entry "${name}" has two sizes`)
    entries.set(name, { header, size: unpacked, method })
    at = end
  }
  return entries
}

/** Where an entry's bytes begin. @throws {SnapshotError} when they are not all inside the file, or compressed */
export async function placeOf(file: ByteFile, name: string, entry: ZipEntry): Promise<number> {
  if (entry.method !== 0) {
    throw new SnapshotError(
      `${file.path}: its entry "${name}" is compressed. Checkpoints are read as torch.save writes them; unpack it and save it again.`,
    )
  }
  const header = await file.read(entry.header, 30)
  if (header.readUInt32LE(0) !== LOCAL) file.fail(`entry "${name}" is not where its directory says`)
  const place = entry.header + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  if (entry.size > file.size - place) file.fail(`entry "${name}" goes beyond the end of the file`)
  return place
}

async function findDirectory(file: ByteFile): Promise<{ count: number; size: number; offset: number }> {
  const reach = Math.min(file.size, 22 + 0xffff)
  const start = file.size - reach
  const tail = await file.read(start, reach)
  for (let at = reach - 22; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END || at + 22 + tail.readUInt16LE(at + 20) !== reach) continue
    const short = {
      count: tail.readUInt16LE(at + 10),
      size: tail.readUInt32LE(at + 12),
      offset: tail.readUInt32LE(at + 16),
    }
    const wide = short.count === 0xffff || short.size === 0xffffffff || short.offset === 0xffffffff
    return wide ? findDirectory64(file, start + at) : short
  }
  return file.fail('its directory is missing')
}

async function findDirectory64(file: ByteFile, end: number): Promise<{ count: number; size: number; offset: number }> {
  const locator = await file.read(end - 20, 20)
  if (locator.readUInt32LE(0) !== LOCATOR64) file.fail('its zip64 directory is missing')
  const record = await file.read(Number(locator.readBigUInt64LE(8)), 56)
  if (record.readUInt32LE(0) !== END64) file.fail('its zip64 directory is missing')
  const [count, size, offset] = [32, 40, 48].map((field) => Number(record.readBigUInt64LE(field))) as [
    number,
    number,
    number,
  ]
  return { count, size, offset }
}

/** The 8-byte numbers of the zip64 extra field: those of size, packed size and place that did not fit, in this order. */
function zip64Fields(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length;) {
    const length = extra.readUInt16LE(at + 2)
    if (extra.readUInt16LE(at) === 1) {
      const end = Math.min(at + 4 + length, extra.length)
      const fields: number[] = []
      for (let place = at + 4; place + 8 <= end; place += 8) fields.push(Number(extra.readBigUInt64LE(place)))
      return fields
    }
    at += 4 + length
  }
  return []
}
