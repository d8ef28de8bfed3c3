/**
 * Files of torch.save, in both of its formats, as records of tensors and the places of their values.
 *
 * Since PyTorch 1.6: a zip file, `<name>/data.pkl` and `<name>/data/<key>` for each storage. Before: pickles one after the other (magic
 * number, version, system, content, storage keys), then each storage as its length and its values.
 */
import { readTensors } from '../../binding/index.ts'
import type { StoredTensor, Tensor } from '../../binding/index.ts'
import { SnapshotError } from '../../util/errors.ts'
import { unpickle } from '../../util/pickle.ts'
import { ByteFile } from './byte-file.ts'
import { torchVocabulary } from './torch-pickle.ts'
import type { TorchStorage, TorchTensor } from './torch-pickle.ts'
import { placeOf, readZipDirectory } from './zip.ts'

export interface TorchFile {
  /** What was saved: containers, texts, numbers, TorchTensors. */
  readonly content: unknown
  /** Reads the values of some of its tensors, and no others. */
  load(tensors: ReadonlyMap<string, TorchTensor>): Promise<Map<string, Tensor>>
}

/** Place of a storage's bytes in the file, checked against the length that the pickle states. */
type Places = ReadonlyMap<string, readonly [offset: number, bytes: number]>

/** Far more than any state dict's pickle: it holds names and sizes, no values. */
const LARGEST_PICKLE = 64 * 2 ** 20

const MAGIC = 0x1950a86a20f9469cfc6cn
const VERSION = 1001

export type TorchFormat = 'zip' | 'legacy'

/** Which format the file's first bytes show, or null. */
export function torchFormat(head: Uint8Array): TorchFormat | null {
  // A safetensors file begins with the length of its header, 64 bits of which the upper half is zero, and "{": a length of 640 looks like
  // the start of a pickle, one of 19280 like that of a zip file.
  if (head[8] === 0x7b && head.subarray(4, 8).every((byte) => byte === 0)) return null
  if (head[0] === 0x50 && head[1] === 0x4b) return 'zip'
  return head[0] === 0x80 && (head[1] as number) >= 2 && (head[1] as number) <= 5 ? 'legacy' : null
}

/** @throws {SnapshotError} for anything but tensors and plain values in plain containers, whatever the bytes */
export async function readTorchFile(path: string, format: TorchFormat): Promise<TorchFile> {
  const file = await ByteFile.open(path)
  try {
    const { content, places } = await (format === 'zip' ? readZip(file) : readLegacy(file))
    return { content, load: async (tensors) => loadTensors(path, tensors, places) }
  } finally {
    await file.close()
  }
}

interface Opened {
  readonly content: unknown
  readonly places: Places
}

/** The error of a pickle that holds more than weights. */
function refuse(file: ByteFile): (why: string) => never {
  return (why) => {
    throw new SnapshotError(
      `${file.path}: ${why}. Only tensors in plain containers are read, and nothing is run; save model.state_dict() ` +
        'where the file was made, or use a .safetensors file.',
    )
  }
}

async function readZip(file: ByteFile): Promise<Opened> {
  const entries = await readZipDirectory(file)
  const name = [...entries.keys()].find((entry) => entry === 'data.pkl' || /^[^/]+\/data\.pkl$/.test(entry))
  if (name === undefined) return refuse(file)('expected a checkpoint of torch.save, but this zip file has no data.pkl')
  const folder = name.slice(0, -'data.pkl'.length)
  if (entries.has(`${folder}constants.pkl`)) refuse(file)('this is a TorchScript archive, which holds code')
  const order = entries.get(`${folder}byteorder`)
  if (order !== undefined && order.size <= 16) {
    const text = (await file.read(await placeOf(file, 'byteorder', order), order.size)).toString('latin1')
    if (text !== 'little') refuse(file)(`its values are stored in ${text}-endian order`)
  }
  const entry = entries.get(name) as { header: number; size: number; method: number }
  if (entry.size > LARGEST_PICKLE) file.fail(`its data.pkl claims ${entry.size} bytes`)
  const bytes = await file.read(await placeOf(file, name, entry), entry.size)
  const vocabulary = torchVocabulary(refuse(file), (why) => file.fail(why))
  const { value } = unpickle(bytes, vocabulary)
  const places = new Map<string, readonly [number, number]>()
  for (const [key, storage] of vocabulary.storages) {
    const data = entries.get(`${folder}data/${key}`) ?? file.fail(`storage ${key} is missing`)
    const size = storage.length * storage.itemSize
    if (data.size !== size) file.fail(`storage ${key} should have ${size} bytes and has ${data.size}`)
    places.set(key, [await placeOf(file, `data/${key}`, data), size])
  }
  return { content: value, places }
}

/** Thrown where the bytes read so far end inside a pickle. */
class NeedsMore extends Error {}

async function readLegacy(file: ByteFile): Promise<Opened> {
  for (let reach = Math.min(file.size, 1 << 18); ; reach = Math.min(file.size, 4 * reach)) {
    const whole = reach === file.size || reach >= LARGEST_PICKLE
    try {
      return await readLegacyFrom(await file.read(0, reach), file, whole)
    } catch (error) {
      if (!(error instanceof NeedsMore)) throw error
    }
  }
}

/** @param whole whether there are no more bytes to be had than these */
async function readLegacyFrom(bytes: Buffer, file: ByteFile, whole: boolean): Promise<Opened> {
  const ended = (why: string): never => {
    if (whole) file.fail(why)
    throw new NeedsMore(why)
  }
  const vocabulary = torchVocabulary(refuse(file), ended)
  let at = 0
  const next = (): unknown => {
    const { value, end } = unpickle(bytes, vocabulary, at)
    at = end
    return value
  }
  if (next() !== MAGIC) refuse(file)('expected a checkpoint of torch.save, but this is another kind of pickle')
  const version = next()
  if (version !== VERSION) refuse(file)(`expected version ${VERSION} of the format but got ${String(version)}`)
  const system = next()
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    refuse(file)('its values are not stored in little-endian order')
  }
  const content = next()
  const keys = next()
  if (!Array.isArray(keys)) return file.fail('its list of storages is missing')
  const places = new Map<string, readonly [number, number]>()
  for (const key of keys as unknown[]) {
    const storage = typeof key === 'string' ? vocabulary.storages.get(key) : undefined
    if (storage === undefined || places.has(storage.key)) return file.fail(`it lists a storage that nothing uses`)
    const length = Number((await file.read(at, 8)).readBigInt64LE(0))
    if (length !== storage.length)
      file.fail(`storage ${storage.key} should have ${storage.length} values, not ${length}`)
    const size = length * storage.itemSize
    if (size > file.size - at - 8) file.fail(`storage ${storage.key} goes beyond the end of the file`)
    places.set(storage.key, [at + 8, size])
    at += 8 + size
  }
  const missing = [...vocabulary.storages.keys()].find((key) => !places.has(key))
  if (missing !== undefined) file.fail(`storage ${missing} is missing`)
  return { content, places }
}

async function loadTensors(
  path: string,
  tensors: ReadonlyMap<string, TorchTensor>,
  places: Places,
): Promise<Map<string, Tensor>> {
  const indices = new Map<TorchStorage, number>()
  const runs: (readonly [number, number])[] = []
  const stored: StoredTensor[] = []
  for (const [name, { storage, dtype, first, shape, strides }] of tensors) {
    let index = indices.get(storage)
    if (index === undefined) {
      index = runs.push(places.get(storage.key) as readonly [number, number]) - 1
      indices.set(storage, index)
    }
    stored.push({ name, dtype, storage: index, first, shape, strides })
  }
  return readTensors(path, runs, stored)
}
