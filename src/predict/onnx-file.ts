/** The outermost layer of an ONNX file (protobuf ModelProto): metadata and the graph's bytes, without decoding the graph. */

/** Field numbers of ModelProto and StringStringEntryProto. */
const IR_VERSION = 1
const GRAPH = 7
const METADATA = 14

export interface OnnxFile {
  readonly irVersion: number
  readonly graph: Uint8Array
  readonly metadata: ReadonlyMap<string, string>
}

interface Field {
  readonly number: number
  /** A length-delimited payload; null for the other wire types. */
  readonly bytes: Uint8Array | null
  readonly value: number
}

/** Null when the bytes are not a whole protobuf message with a graph: another format, or cut off. */
export function readOnnxFile(bytes: Uint8Array): OnnxFile | null {
  const fields = readFields(bytes)
  if (fields === null) return null
  let irVersion = 0
  let graph: Uint8Array | null = null
  const metadata = new Map<string, string>()
  for (const field of fields) {
    if (field.number === IR_VERSION && field.bytes === null) irVersion = field.value
    else if (field.number === GRAPH && field.bytes !== null) graph = field.bytes
    else if (field.number === METADATA && field.bytes !== null) {
      const entry = readFields(field.bytes)
      if (entry === null) return null
      metadata.set(text(entry, 1), text(entry, 2))
    }
  }
  return graph === null || irVersion === 0 ? null : { irVersion, graph, metadata }
}

function text(fields: readonly Field[], number: number): string {
  const bytes = fields.find((field) => field.number === number)?.bytes
  return bytes ? new TextDecoder().decode(bytes) : ''
}

function readFields(bytes: Uint8Array): Field[] | null {
  const fields: Field[] = []
  let at = 0
  const varint = (): number | null => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) return null
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    return null
  }
  while (at < bytes.length) {
    const tag = varint()
    if (tag === null) return null
    const number = Math.floor(tag / 8)
    const wire = tag % 8
    if (number === 0) return null
    if (wire === 0) {
      const value = varint()
      if (value === null) return null
      fields.push({ number, bytes: null, value })
    } else if (wire === 1 || wire === 5) {
      at += wire === 1 ? 8 : 4
      if (at > bytes.length) return null
      fields.push({ number, bytes: null, value: 0 })
    } else if (wire === 2) {
      const length = varint()
      if (length === null || length > bytes.length - at) return null
      fields.push({ number, bytes: bytes.subarray(at, at + length), value: 0 })
      at += length
    } else {
      return null
    }
  }
  return fields
}
