/**
 * A reader for the pickles in which CIFAR is published (protocol 2, numpy arrays of uint8 in a dict), that runs nothing.
 *
 * Only the opcodes such files need are known. GLOBAL may name five things (numpy's reconstruct, ndarray and dtype, and
 * `_codecs.encode`, which Python 3 writes for bytes); REDUCE and BUILD on them fill plain objects of ours. Anything else, and any
 * size that does not fit, is a DatasetError. Formats: https://docs.python.org/3/library/pickletools.html
 */
import { DatasetError } from '../util/errors.ts'

/** A uint8 array, in row-major order whatever the file had. */
export interface PickledArray {
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

export type PickledValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly PickledValue[]
  | ReadonlyMap<string, PickledValue>
  | PickledArray

/** Python 2 strings and Python 3 bytes both arrive as this; dict keys are turned into text. */
class ByteString {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
  get text(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length).toString('latin1')
  }
}

class NumpyArray implements PickledArray {
  shape: number[] = [0]
  data: Uint8Array = new Uint8Array(0)
}

class NumpyType {
  readonly kind = 'uint8'
}

class Tuple {
  readonly items: readonly unknown[]
  constructor(items: readonly unknown[]) {
    this.items = items
  }
}

class Global {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

const MARK = Symbol('mark')

const RECONSTRUCT = 'numpy reconstruct'
const NDARRAY = 'numpy ndarray'
const DTYPE = 'numpy dtype'
const ENCODE = 'codecs encode'
const ALLOWED: ReadonlyMap<string, string> = new Map([
  ['numpy.core.multiarray _reconstruct', RECONSTRUCT],
  ['numpy._core.multiarray _reconstruct', RECONSTRUCT],
  ['numpy ndarray', NDARRAY],
  ['numpy dtype', DTYPE],
  ['_codecs encode', ENCODE],
])

/** The largest CIFAR pickle has 155 MB. */
const LARGEST = 512 * 1024 * 1024

/**
 * @param bytes  the whole file
 * @param source its name, for messages
 * @throws {DatasetError} for anything but a protocol 2 pickle of plain containers and uint8 arrays
 */
export function readPickle(bytes: Uint8Array, source: string): PickledValue {
  return new Reader(bytes, source).run()
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #source: string
  readonly #stack: unknown[] = []
  readonly #memo = new Map<number, unknown>()
  #at = 0
  /** Bytes that `encode` may still make: memoised text could otherwise be encoded again and again. */
  #budget: number

  constructor(bytes: Uint8Array, source: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#source = source
    this.#budget = bytes.length
    if (bytes.length > LARGEST) this.#fail(`expected at most ${LARGEST} bytes but got ${bytes.length}`)
  }

  run(): PickledValue {
    if (this.#byte() !== 0x80 || this.#byte() !== 2) this.#fail('expected a pickle of protocol 2')
    for (;;) {
      const start = this.#at
      const opcode = this.#byte()
      if (opcode === 0x2e) break // STOP
      this.#step(opcode, start)
    }
    const value = this.#pop()
    if (this.#stack.length > 0) this.#fail(`expected one value but ${this.#stack.length} more are left`)
    if (value === MARK || value instanceof Tuple || value instanceof Global || value instanceof NumpyType) {
      this.#fail('expected a container, an array or a plain value')
    }
    return value instanceof ByteString ? value.bytes : (value as PickledValue)
  }

  #step(opcode: number, start: number): void {
    const stack = this.#stack
    switch (opcode) {
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map<string, unknown>())
      case 0x5d: // EMPTY_LIST
        return this.#push([])
      case 0x29: // EMPTY_TUPLE
        return this.#push(new Tuple([]))
      case 0x28: // MARK
        return this.#push(MARK)
      case 0x4e: // NONE
        return this.#push(null)
      case 0x88: // NEWTRUE
        return this.#push(true)
      case 0x89: // NEWFALSE
        return this.#push(false)
      case 0x4b: // BININT1
        return this.#push(this.#byte())
      case 0x4d: // BININT2
        return this.#push(this.#view.getUint16(this.#take(2), true))
      case 0x4a: // BININT
        return this.#push(this.#view.getInt32(this.#take(4), true))
      case 0x8a: // LONG1: little-endian two's complement of up to 6 bytes, which a double holds exactly
        return this.#push(this.#long())
      case 0x55: // SHORT_BINSTRING
      case 0x43: // SHORT_BINBYTES
        return this.#push(new ByteString(this.#slice(this.#byte())))
      case 0x54: // BINSTRING
      case 0x42: // BINBYTES
        return this.#push(new ByteString(this.#slice(this.#view.getUint32(this.#take(4), true))))
      case 0x58: // BINUNICODE
        return this.#push(this.#text(this.#slice(this.#view.getUint32(this.#take(4), true))))
      case 0x71: // BINPUT
        return void this.#memo.set(this.#byte(), this.#peek())
      case 0x72: // LONG_BINPUT
        return void this.#memo.set(this.#view.getUint32(this.#take(4), true), this.#peek())
      case 0x68: // BINGET
        return this.#recall(this.#byte())
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#view.getUint32(this.#take(4), true))
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(new Tuple(this.#popMany(opcode - 0x84)))
      case 0x74: // TUPLE
        return this.#push(new Tuple(this.#popToMark()))
      case 0x61: {
        // APPEND
        const item = this.#pop()
        return this.#append([item])
      }
      case 0x65: // APPENDS
        return this.#append(this.#popToMark())
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2))
      case 0x75: // SETITEMS
        return this.#setItems(this.#popToMark())
      case 0x63: // GLOBAL
        return this.#global()
      case 0x52: // REDUCE
        return this.#reduce()
      case 0x62: // BUILD
        return this.#build()
      default:
        stack.length = 0
        this.#fail(`opcode 0x${opcode.toString(16)} at byte ${start} is not allowed`)
    }
  }

  #fail(why: string): never {
    throw new DatasetError(
      `${this.#source}: ${why}. Only the official CIFAR pickles are read; download the archive again, or use the binary version.`,
    )
  }

  #take(count: number): number {
    const start = this.#at
    if (count > this.#bytes.length - start) {
      this.#fail(`expected ${count} more bytes at byte ${start} but the file ends at ${this.#bytes.length}`)
    }
    this.#at += count
    return start
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number
  }

  #slice(count: number): Uint8Array {
    const start = this.#take(count)
    return this.#bytes.subarray(start, start + count)
  }

  #text(bytes: Uint8Array): string {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch {
      return this.#fail('expected text in UTF-8')
    }
  }

  #long(): number {
    const count = this.#byte()
    const bytes = this.#slice(count)
    if (count > 6) this.#fail(`expected a whole number of at most 6 bytes but got ${count}`)
    let value = 0
    for (let i = count - 1; i >= 0; i--) value = value * 256 + (bytes[i] as number)
    return count > 0 && (bytes[count - 1] as number) >= 128 ? value - 256 ** count : value
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at)
    if (end < 0 || end - this.#at > 64) this.#fail(`expected a name of up to 64 bytes at byte ${this.#at}`)
    const line = Buffer.from(this.#bytes.subarray(this.#at, end)).toString('latin1')
    this.#at = end + 1
    return line
  }

  #push(value: unknown): void {
    this.#stack.push(value)
  }

  #pop(): unknown {
    if (this.#stack.length === 0) this.#fail(`nothing on the stack at byte ${this.#at}`)
    return this.#stack.pop()
  }

  #peek(): unknown {
    if (this.#stack.length === 0) this.#fail(`nothing on the stack at byte ${this.#at}`)
    return this.#stack.at(-1)
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length < count) this.#fail(`expected ${count} values on the stack at byte ${this.#at}`)
    return this.#stack.splice(this.#stack.length - count, count)
  }

  #popToMark(): unknown[] {
    const mark = this.#stack.lastIndexOf(MARK)
    if (mark < 0) this.#fail(`no mark on the stack at byte ${this.#at}`)
    const items = this.#stack.splice(mark + 1)
    this.#stack.pop()
    return items
  }

  #recall(slot: number): void {
    if (!this.#memo.has(slot)) this.#fail(`nothing was stored under ${slot}`)
    this.#push(this.#memo.get(slot))
  }

  #append(items: readonly unknown[]): void {
    const list = this.#peek()
    if (!Array.isArray(list)) this.#fail('expected a list to append to')
    for (const item of items) (list as unknown[]).push(this.#plain(item))
  }

  #setItems(items: readonly unknown[]): void {
    const target = this.#peek()
    if (!(target instanceof Map) || items.length % 2 !== 0) this.#fail('expected a dict and pairs of key and value')
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i] instanceof ByteString ? (items[i] as ByteString).text : items[i]
      if (typeof key !== 'string' || key.length > 256) this.#fail('expected short texts as keys')
      ;(target as Map<string, unknown>).set(key, this.#plain(items[i + 1]))
    }
  }

  /** What may lie in a container: byte strings as text where they are short (names), everything else as it is. */
  #plain(value: unknown): unknown {
    if (value === MARK || value instanceof Tuple || value instanceof Global || value instanceof NumpyType) {
      this.#fail('expected containers to hold plain values')
    }
    if (value instanceof ByteString) return value.bytes.length <= 1024 ? value.text : value.bytes
    return value
  }

  #global(): void {
    const name = `${this.#line()} ${this.#line()}`
    const known = ALLOWED.get(name)
    if (known === undefined) this.#fail(`"${name.replace(' ', '.')}" is not allowed`)
    this.#push(new Global(known))
  }

  #reduce(): void {
    const [callable, given] = this.#popMany(2)
    if (!(callable instanceof Global) || !(given instanceof Tuple))
      this.#fail('expected an allowed name and its arguments')
    const { items } = given
    switch (callable.name) {
      case RECONSTRUCT: {
        const type = items[0]
        if (items.length !== 3 || !(type instanceof Global) || type.name !== NDARRAY)
          this.#fail('expected a numpy array')
        return this.#push(new NumpyArray())
      }
      case DTYPE: {
        const name = items[0] instanceof ByteString ? items[0].text : items[0]
        if (name !== 'u1' && name !== '|u1') this.#fail(`expected an array of uint8 but got ${JSON.stringify(name)}`)
        return this.#push(new NumpyType())
      }
      case ENCODE: {
        const [text, encoding] = items
        if (typeof text !== 'string' || encoding !== 'latin1') this.#fail('expected text to encode as latin1')
        this.#budget -= text.length
        if (this.#budget < 0) this.#fail('expected each text to be encoded once')
        const bytes = new Uint8Array(text.length)
        for (let i = 0; i < text.length; i++) {
          const code = text.charCodeAt(i)
          if (code > 255) this.#fail('expected latin1 text')
          bytes[i] = code
        }
        return this.#push(new ByteString(bytes))
      }
      default:
        this.#fail(`${callable.name} cannot be called`)
    }
  }

  #build(): void {
    const state = this.#pop()
    const target = this.#peek()
    if (!(state instanceof Tuple)) this.#fail('expected a state to set')
    if (target instanceof NumpyType) {
      // (version, byte order, …): uint8 has none.
      const order = state.items[1] instanceof ByteString ? state.items[1].text : state.items[1]
      if (order !== '|') this.#fail('expected a type without byte order')
      return
    }
    if (!(target instanceof NumpyArray)) this.#fail('expected an array to fill')
    const [version, shape, type, fortran, data] = state.items
    if (state.items.length !== 5 || version !== 1 || !(shape instanceof Tuple) || !(type instanceof NumpyType)) {
      this.#fail('expected the state of a uint8 array')
    }
    if (typeof fortran !== 'boolean' && fortran !== 0 && fortran !== 1) this.#fail('expected an order of the array')
    if (!(data instanceof ByteString)) this.#fail('expected the bytes of the array')
    const sizes = shape.items.map((size) =>
      typeof size === 'number' && Number.isInteger(size) && size >= 0
        ? size
        : this.#fail('expected sizes in the shape'),
    )
    const total = sizes.reduce((product, size) => product * size, 1)
    if (sizes.length < 1 || sizes.length > 2 || total !== data.bytes.length) {
      this.#fail(`expected ${sizes.join(' × ')} bytes but got ${data.bytes.length}`)
    }
    target.shape = sizes
    target.data = fortran && sizes.length === 2 ? this.#rowMajor(data.bytes, sizes as [number, number]) : data.bytes
  }

  #rowMajor(columns: Uint8Array, [rows, width]: readonly [number, number]): Uint8Array {
    this.#budget -= columns.length
    if (this.#budget < 0) this.#fail('expected each array to be stored once')
    const out = new Uint8Array(columns.length)
    for (let y = 0; y < rows; y++) for (let x = 0; x < width; x++) out[y * width + x] = columns[x * rows + y] as number
    return out
  }
}
