/**
 * A machine for Python's pickles that runs nothing: it knows the opcodes that build plain values, and asks a vocabulary about every
 * name. What the vocabulary does not list ends the reading; what it lists fills objects of ours.
 *
 * Opcodes: https://docs.python.org/3/library/pickletools.html
 */

/** Python 2 strings and Python 3 bytes both arrive as this. */
export class PickledBytes {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
  get text(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length).toString('latin1')
  }
}

export class PickledTuple {
  readonly items: readonly unknown[]
  constructor(items: readonly unknown[]) {
    this.items = items
  }
}

/** A name of the vocabulary, as a value. */
export interface PickledGlobal {
  readonly name: string
  /** What calling it gives; absent: it cannot be called. Throws (by the vocabulary's own `fail`) for arguments that do not fit. */
  readonly call?: (args: readonly unknown[]) => unknown
}

/** A value that BUILD may fill. */
export interface Buildable {
  build(state: unknown): void
}

export interface PickleVocabulary {
  /** Protocols that are read. */
  readonly protocols: readonly number[]
  /** "module name" → what stands for it. */
  readonly globals: ReadonlyMap<string, PickledGlobal>
  /** BINPERSID: what stands for an identity that the pickle refers to; absent: the opcode is refused. */
  readonly persistent?: (id: unknown) => unknown
  /** What may lie in lists and dictionaries, and as what; default: everything as it is. Throws to refuse. */
  readonly element?: (value: unknown) => unknown
  /** Throws the error of this kind of file. */
  readonly fail: (why: string) => never
  /** Called instead of `fail` where the bytes end too early. */
  readonly ended?: (why: string) => never
}

const MARK = Symbol('mark')

class Global {
  readonly known: PickledGlobal
  constructor(known: PickledGlobal) {
    this.known = known
  }
}

/** Whether `value` is the vocabulary's entry of that name, met as a value. */
export function isGlobal(value: unknown, name: string): boolean {
  return value instanceof Global && value.known.name === name
}

/** The vocabulary's entry that `value` is, or null when it is none. */
export function globalOf(value: unknown): PickledGlobal | null {
  return value instanceof Global ? value.known : null
}

/** Things of the machine's own, which no container of plain values may hold. */
export function isPlain(value: unknown): boolean {
  return !(value === MARK || value instanceof PickledTuple || value instanceof Global)
}

const LONGEST_NAME = 256
const LONGEST_KEY = 4096
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads one pickle. Every size is checked against the bytes there are before anything is made of it.
 *
 * Values: null, booleans, numbers, bigints (beyond 6 bytes), strings, PickledBytes, PickledTuple, arrays, Maps, Sets, and what the
 * vocabulary makes. Texts, numbers and tuples of them as dictionary keys; byte strings become text there.
 *
 * @returns the value, and the place after it
 */
export function unpickle(
  bytes: Uint8Array,
  vocabulary: PickleVocabulary,
  start: number = 0,
): { value: unknown; end: number } {
  return new Machine(bytes, vocabulary, start).run()
}

class Machine {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #words: PickleVocabulary
  #stack: unknown[] = []
  readonly #memo = new Map<number, unknown>()
  #at: number

  constructor(bytes: Uint8Array, words: PickleVocabulary, start: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#words = words
    this.#at = start
  }

  run(): { value: unknown; end: number } {
    const { protocols } = this.#words
    if (this.#byte() !== 0x80 || !protocols.includes(this.#byte())) {
      this.#fail(`expected a pickle of protocol ${protocols.join(', ')}`)
    }
    for (;;) {
      const start = this.#at
      const opcode = this.#byte()
      if (opcode === 0x2e) break // STOP
      this.#step(opcode, start)
    }
    const value = this.#pop()
    if (this.#stack.length > 0) this.#fail(`expected one value but ${this.#stack.length} more are left`)
    if (value === MARK) this.#fail('expected a value at the end')
    return { value, end: this.#at }
  }

  #step(opcode: number, start: number): void {
    switch (opcode) {
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map<unknown, unknown>())
      case 0x5d: // EMPTY_LIST
        return this.#push([])
      case 0x29: // EMPTY_TUPLE
        return this.#push(new PickledTuple([]))
      case 0x8f: // EMPTY_SET
        return this.#push(new Set<unknown>())
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
      case 0x8a: // LONG1
        return this.#push(this.#long())
      case 0x47: // BINFLOAT, big-endian
        return this.#push(this.#view.getFloat64(this.#take(8), false))
      case 0x55: // SHORT_BINSTRING
      case 0x43: // SHORT_BINBYTES
        return this.#push(new PickledBytes(this.#slice(this.#byte())))
      case 0x54: // BINSTRING
      case 0x42: // BINBYTES
        return this.#push(new PickledBytes(this.#slice(this.#length4())))
      case 0x8e: // BINBYTES8
        return this.#push(new PickledBytes(this.#slice(this.#length8())))
      case 0x58: // BINUNICODE
        return this.#push(this.#text(this.#slice(this.#length4())))
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#text(this.#slice(this.#byte())))
      case 0x8d: // BINUNICODE8
        return this.#push(this.#text(this.#slice(this.#length8())))
      case 0x71: // BINPUT
        return void this.#memo.set(this.#byte(), this.#peek())
      case 0x72: // LONG_BINPUT
        return void this.#memo.set(this.#length4(), this.#peek())
      case 0x94: // MEMOIZE
        return void this.#memo.set(this.#memo.size, this.#peek())
      case 0x68: // BINGET
        return this.#recall(this.#byte())
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#length4())
      case 0x95: // FRAME: only says how far to read ahead
        return void this.#length8()
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(new PickledTuple(this.#popMany(opcode - 0x84)))
      case 0x74: // TUPLE
        return this.#push(new PickledTuple(this.#popToMark()))
      case 0x61: // APPEND
        return this.#append(this.#popMany(1))
      case 0x65: // APPENDS
        return this.#append(this.#popToMark())
      case 0x90: // ADDITEMS
        return this.#add(this.#popToMark())
      case 0x73: // SETITEM
        return this.#setItems(this.#popMany(2))
      case 0x75: // SETITEMS
        return this.#setItems(this.#popToMark())
      case 0x63: // GLOBAL
        return this.#global(this.#line(), this.#line())
      case 0x93: // STACK_GLOBAL
        return this.#stackGlobal()
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        return this.#reduce()
      case 0x62: // BUILD
        return this.#build()
      case 0x51: // BINPERSID
        if (this.#words.persistent !== undefined) return this.#push(this.#words.persistent(this.#pop()))
    }
    this.#stack = []
    this.#fail(`opcode 0x${opcode.toString(16)} at byte ${start} is not allowed`)
  }

  #fail(why: string): never {
    return this.#words.fail(why)
  }

  #take(count: number): number {
    const start = this.#at
    if (count > this.#bytes.length - start) {
      const why = `expected ${count} more bytes at byte ${start} but the file ends at ${this.#bytes.length}`
      return (this.#words.ended ?? this.#words.fail)(why)
    }
    this.#at += count
    return start
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] as number
  }

  #length4(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  #length8(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true))
  }

  #slice(count: number): Uint8Array {
    const start = this.#take(count)
    return this.#bytes.subarray(start, start + count)
  }

  #text(bytes: Uint8Array): string {
    try {
      return decoder.decode(bytes)
    } catch {
      return this.#fail('expected text in UTF-8')
    }
  }

  /** Little-endian two's complement; a number while a double holds it whatever its bytes, else a bigint. */
  #long(): number | bigint {
    const bytes = this.#slice(this.#byte())
    if (bytes.length === 0) return 0
    const negative = (bytes.at(-1) as number) >= 128
    if (bytes.length <= 6) {
      const value = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0)
      return negative ? value - 256 ** bytes.length : value
    }
    const value = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
    return negative ? value - (1n << BigInt(8 * bytes.length)) : value
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at)
    if (end < 0 && this.#bytes.length - this.#at <= LONGEST_NAME) this.#take(LONGEST_NAME + 1)
    if (end < 0 || end - this.#at > LONGEST_NAME) {
      this.#fail(`expected a name of up to ${LONGEST_NAME} bytes at byte ${this.#at}`)
    }
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

  #element(value: unknown): unknown {
    if (value === MARK) this.#fail('expected a value in a container')
    return this.#words.element === undefined ? value : this.#words.element(value)
  }

  #append(items: readonly unknown[]): void {
    const list = this.#peek()
    if (!Array.isArray(list)) this.#fail('expected a list to append to')
    for (const item of items) (list as unknown[]).push(this.#element(item))
  }

  #add(items: readonly unknown[]): void {
    const set = this.#peek()
    if (!(set instanceof Set)) this.#fail('expected a set to add to')
    for (const item of items) (set as Set<unknown>).add(this.#element(item))
  }

  #setItems(items: readonly unknown[]): void {
    const target = this.#peek()
    if (!(target instanceof Map) || items.length % 2 !== 0) this.#fail('expected a dict and pairs of key and value')
    for (let i = 0; i < items.length; i += 2) {
      ;(target as Map<unknown, unknown>).set(this.#key(items[i]), this.#element(items[i + 1]))
    }
  }

  #key(given: unknown): unknown {
    const key = given instanceof PickledBytes ? given.text : given
    if (typeof key === 'string' && key.length > LONGEST_KEY) this.#fail('expected short texts as keys')
    if (key !== null && typeof key === 'object' && !(key instanceof PickledTuple)) {
      this.#fail('expected texts, numbers or tuples as keys')
    }
    if (key === MARK) this.#fail('expected a key')
    return key
  }

  #global(module: string, name: string): void {
    const known = this.#words.globals.get(`${module} ${name}`)
    if (known === undefined) this.#fail(`"${module}.${name}" is not allowed`)
    this.#push(new Global(known))
  }

  #stackGlobal(): void {
    const [module, name] = this.#popMany(2)
    if (typeof module !== 'string' || typeof name !== 'string' || module.length + name.length > LONGEST_NAME) {
      this.#fail('expected a module and a name')
    }
    this.#global(module, name)
  }

  #reduce(): void {
    const [callable, args] = this.#popMany(2)
    if (!(callable instanceof Global) || !(args instanceof PickledTuple)) {
      this.#fail('expected an allowed name and its arguments')
    }
    const { name, call } = callable.known
    if (call === undefined) this.#fail(`${name} cannot be called`)
    this.#push(call(args.items))
  }

  #build(): void {
    const state = this.#pop()
    const target = this.#peek()
    if (target === null || typeof target !== 'object' || !('build' in target) || typeof target.build !== 'function') {
      this.#fail('expected an object to fill')
    }
    ;(target as Buildable).build(state)
  }
}
