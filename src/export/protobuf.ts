/** A protobuf writer: varints and length-delimited fields, as pieces that are joined once at the end. */

const VARINT = 0
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
