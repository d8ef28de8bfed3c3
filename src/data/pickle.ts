/**
 * The pickles in which CIFAR is published (protocol 2, numpy arrays of uint8 in a dict), read without running anything.
 *
 * Five names are known: numpy's reconstruct, ndarray and dtype, and `_codecs.encode`, which Python 3 writes for bytes. Anything
 * else, and any size that does not fit, is a DatasetError.
 */
import { DatasetError } from '../util/errors.ts'
import { PickledBytes, PickledTuple, isGlobal, isPlain, unpickle } from '../util/pickle.ts'
import type { PickleVocabulary, PickledGlobal } from '../util/pickle.ts'

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

class NumpyType {
  readonly #fail: (why: string) => never
  constructor(fail: (why: string) => never) {
    this.#fail = fail
  }
  /** (version, byte order, …): uint8 has none. */
  build(state: unknown): void {
    if (textOf(stateItems(state, this.#fail)[1]) !== '|') this.#fail('expected a type without byte order')
  }
}

const NDARRAY = 'numpy ndarray'

/** The largest CIFAR pickle has 155 MB. */
const LARGEST = 512 * 1024 * 1024

/**
 * @param bytes  the whole file
 * @param source its name, for messages
 * @throws {DatasetError} for anything but a protocol 2 pickle of plain containers and uint8 arrays
 */
export function readPickle(bytes: Uint8Array, source: string): PickledValue {
  const fail = (why: string): never => {
    throw new DatasetError(
      `${source}: ${why}. Only the official CIFAR pickles are read; download the archive again, or use the binary version.`,
    )
  }
  if (bytes.length > LARGEST) fail(`expected at most ${LARGEST} bytes but got ${bytes.length}`)
  const { value } = unpickle(bytes, vocabulary(bytes.length, fail))
  if (!isPlain(value) || value instanceof NumpyType) fail('expected a container, an array or a plain value')
  return (value instanceof PickledBytes ? value.bytes : value) as PickledValue
}

/** @param budget bytes that may be made anew: memoised text could otherwise be encoded, and arrays turned, again and again */
function vocabulary(budget: number, fail: (why: string) => never): PickleVocabulary {
  const spend = (bytes: number, why: string): void => {
    budget -= bytes
    if (budget < 0) fail(why)
  }
  const reconstruct: PickledGlobal = {
    name: 'numpy reconstruct',
    call(args) {
      if (args.length !== 3 || !isGlobal(args[0], NDARRAY)) fail('expected a numpy array')
      return new NumpyArray(fail, spend)
    },
  }
  const dtype: PickledGlobal = {
    name: 'numpy dtype',
    call([given]) {
      const name = textOf(given)
      if (name !== 'u1' && name !== '|u1') fail(`expected an array of uint8 but got ${JSON.stringify(name)}`)
      return new NumpyType(fail)
    },
  }
  const encode: PickledGlobal = {
    name: 'codecs encode',
    call([text, encoding]) {
      if (typeof text !== 'string' || encoding !== 'latin1') return fail('expected text to encode as latin1')
      spend(text.length, 'expected each text to be encoded once')
      return new PickledBytes(latin1(text, fail))
    },
  }
  return {
    protocols: [2],
    globals: new Map<string, PickledGlobal>([
      ['numpy.core.multiarray _reconstruct', reconstruct],
      ['numpy._core.multiarray _reconstruct', reconstruct],
      ['numpy ndarray', { name: NDARRAY }],
      ['numpy dtype', dtype],
      ['_codecs encode', encode],
    ]),
    // Byte strings as text where they are short (names), everything else as it is.
    element(value) {
      if (!isPlain(value) || value instanceof NumpyType || typeof value === 'bigint') {
        fail('expected containers to hold plain values')
      }
      if (value instanceof PickledBytes) return value.bytes.length <= 1024 ? value.text : value.bytes
      return value
    },
    fail,
  }
}

class NumpyArray implements PickledArray {
  shape: number[] = [0]
  data: Uint8Array = new Uint8Array(0)
  readonly #fail: (why: string) => never
  readonly #spend: (bytes: number, why: string) => void

  constructor(fail: (why: string) => never, spend: (bytes: number, why: string) => void) {
    this.#fail = fail
    this.#spend = spend
  }

  /** (version 1, shape, type, in Fortran's order?, bytes). */
  build(state: unknown): void {
    const fail = this.#fail
    const items = stateItems(state, fail)
    const [version, shape, type, fortran, data] = items
    if (items.length !== 5 || version !== 1 || !(shape instanceof PickledTuple) || !(type instanceof NumpyType)) {
      return fail('expected the state of a uint8 array')
    }
    if (typeof fortran !== 'boolean' && fortran !== 0 && fortran !== 1) fail('expected an order of the array')
    if (!(data instanceof PickledBytes)) return fail('expected the bytes of the array')
    const sizes = shape.items.map((size) =>
      typeof size === 'number' && Number.isInteger(size) && size >= 0 ? size : fail('expected sizes in the shape'),
    )
    const total = sizes.reduce((product, size) => product * size, 1)
    if (sizes.length < 1 || sizes.length > 2 || total !== data.bytes.length) {
      fail(`expected ${sizes.join(' × ')} bytes but got ${data.bytes.length}`)
    }
    this.shape = sizes
    this.data = fortran && sizes.length === 2 ? this.#rowMajor(data.bytes, sizes as [number, number]) : data.bytes
  }

  #rowMajor(columns: Uint8Array, [rows, width]: readonly [number, number]): Uint8Array {
    this.#spend(columns.length, 'expected each array to be stored once')
    const out = new Uint8Array(columns.length)
    for (let y = 0; y < rows; y++) for (let x = 0; x < width; x++) out[y * width + x] = columns[x * rows + y] as number
    return out
  }
}

function stateItems(state: unknown, fail: (why: string) => never): readonly unknown[] {
  return state instanceof PickledTuple ? state.items : fail('expected a state to set')
}

function textOf(value: unknown): unknown {
  return value instanceof PickledBytes ? value.text : value
}

function latin1(text: string, fail: (why: string) => never): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 255) fail('expected latin1 text')
    bytes[i] = code
  }
  return bytes
}
