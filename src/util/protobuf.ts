/** Protobuf's wire format: a writer whose pieces are joined once at the end, and a reader of a message's fields. */

const VARINT = 0
const FLOAT64 = 1
const BYTES = 2
const FLOAT32 = 5

export class ProtobufWriter {
  readonly #pieces: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  /** The pieces, in order; large payloads are the caller's own arrays, not copies. */
  get pieces(): readonly Uint8Array[] {
    return this.#pieces
  }

  #push(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.#length += piece.length
  }

  #varint(value: bigint | number): void {
    if (typeof value === 'number' && value >= 0 && value < 0x80) return this.#push(Uint8Array.of(value))
    const bytes: number[] = []
    // A negative int64 is its two's complement in ten bytes.
    let rest = BigInt.asUintN(64, BigInt(value))
    do {
      const low = Number(rest & 0x7fn)
      rest >>= 7n
      bytes.push(rest > 0n ? low | 0x80 : low)
    } while (rest > 0n)
    this.#push(Uint8Array.from(bytes))
  }

  #tag(field: number, wire: number): void {
    this.#varint((field << 3) | wire)
  }

  int(field: number, value: bigint | number): void {
    this.#tag(field, VARINT)
    this.#varint(value)
  }

  float(field: number, value: number): void {
    this.#tag(field, FLOAT32)
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    this.#push(bytes)
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, BYTES)
    this.#varint(value.length)
    this.#push(value)
  }

  string(field: number, value: string): void {
    this.bytes(field, Buffer.from(value, 'utf8'))
  }

  message(field: number, write: (inner: ProtobufWriter) => void): void {
    const inner = new ProtobufWriter()
    write(inner)
    this.#tag(field, BYTES)
    this.#varint(inner.length)
    this.append(inner)
  }

  /** Another writer's fields, as if written here. */
  append(other: ProtobufWriter): void {
    for (const piece of other.pieces) this.#push(piece)
  }
}

/** A field as it lies in the message: a varint, or the bytes of anything else. */
export interface ProtobufField {
  readonly field: number
  readonly value: bigint | Uint8Array
}

/** The fields of a message in their order, null where the bytes are no message. */
export function readFields(message: Uint8Array): ProtobufField[] | null {
  const fields: ProtobufField[] = []
  let at = 0
  const varint = (): bigint | null => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++]
      if (byte === undefined) return null
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    return null
  }
  while (at < message.length) {
    const tag = varint()
    if (tag === null || tag >> 3n === 0n || tag >> 3n > 0x1fff_ffffn) return null
    const field = Number(tag >> 3n)
    const wire = Number(tag & 7n)
    if (wire === VARINT) {
      const value = varint()
      if (value === null) return null
      fields.push({ field, value })
      continue
    }
    const length = wire === BYTES ? varint() : wire === FLOAT64 ? 8n : wire === FLOAT32 ? 4n : null
    if (length === null || length > BigInt(message.length - at)) return null
    fields.push({ field, value: message.subarray(at, at + Number(length)) })
    at += Number(length)
  }
  return fields
}
