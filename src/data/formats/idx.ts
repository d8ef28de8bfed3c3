/**
 * IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist/): a magic number that tells type and dimensions, the sizes as
 * big-endian 32-bit numbers, the values. Plain or gzip.
 */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { resizeImage } from '../../binding/index.ts'
import type { Interpolation } from '../../binding/index.ts'
import type { RemoteFile } from '../../util/download.ts'
import { DatasetError } from '../../util/errors.ts'
import { mapConcurrent } from '../concurrency.ts'
import { MemoryDataset } from '../dataset.ts'
import { obtain } from '../obtain.ts'
import type { DataOptions } from '../options.ts'
import type { FormatContext, OpenedData } from './format.ts'
import { partNamed, readClassNames } from './parts.ts'
import type { PartName } from './parts.ts'

export interface IdxSet {
  readonly title: string
  /** Folders below `data.directory` in which it may lie, the first of which downloads go to; '' is the directory itself. */
  readonly folders: readonly string[]
  readonly classNames: readonly string[]
  readonly files: readonly RemoteFile[]
}

function published(base: string, label: string, kind: 'sha256' | 'md5', files: readonly (readonly [string, number, string])[]): RemoteFile[] {
  return files.map(([name, size, value]) => ({ url: `${base}${name}`, digest: { kind, value }, size, label: `${label} ${name}` }))
}

/** Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998; the mirror that torchvision uses. */
export const MNIST: IdxSet = {
  title: 'MNIST',
  folders: ['mnist', 'MNIST/raw', ''],
  classNames: Array.from({ length: 10 }, (_, digit) => String(digit)),
  files: published('https://ossci-datasets.s3.amazonaws.com/mnist/', 'MNIST', 'sha256', [
    ['train-images-idx3-ubyte.gz', 9912422, '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609'],
    ['train-labels-idx1-ubyte.gz', 28881, '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c'],
    ['t10k-images-idx3-ubyte.gz', 1648877, '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6'],
    ['t10k-labels-idx1-ubyte.gz', 4542, 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'],
  ]),
}

/** H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", 2017, arXiv 1708.07747. */
export const FASHION_MNIST: IdxSet = {
  title: 'Fashion-MNIST',
  folders: ['fashion-mnist', 'FashionMNIST/raw', ''],
  classNames: [
    ...['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  ],
  files: published('http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/', 'Fashion-MNIST', 'md5', [
    ['train-images-idx3-ubyte.gz', 26421880, '8d4fb7e6c68d591d4c3dfef9ec88bf0d'],
    ['train-labels-idx1-ubyte.gz', 29515, '25c81989df183df01b3e8a0aad5dffbe'],
    ['t10k-images-idx3-ubyte.gz', 4422102, 'bef4ecab320f06d8554ea6380940ec79'],
    ['t10k-labels-idx1-ubyte.gz', 5148, 'bb300cfdad3c16e7a12a480ee83cd310'],
  ]),
}

/**
 * @param set a published set, downloaded when missing; null: whatever pair (or pairs) of files lies in the directory, with class
 *   names from `classes.txt` where there is one
 */
export async function openIdx(options: DataOptions, context: FormatContext, set: IdxSet | null): Promise<OpenedData> {
  const { directory } = options
  const found = set === null ? await findIdx(directory) : await obtainIdx(set, directory, { ...context, download: options.download })
  if (found?.train === undefined) {
    throw new DatasetError(
      `${directory}: expected train-images-idx3-ubyte and train-labels-idx1-ubyte (plain or .gz), and t10k-… for the test part, ` +
        'but they are not there. Check data.directory.',
    )
  }
  const parts: Partial<Record<PartName, RawPart>> = {}
  for (const [part, files] of Object.entries(found)) parts[part as PartName] = await readPart(files)
  const largest = Object.values(parts).reduce((most, { labels }) => labels.reduce((a, b) => Math.max(a, b), most), 0)
  const classNames =
    set?.classNames ?? (await readClassNames(directory)) ?? Array.from({ length: largest + 1 }, (_, label) => String(label))
  if (largest >= classNames.length) {
    throw new DatasetError(
      `${directory}: the labels go up to ${largest} but there are ${classNames.length} class names. Correct classes.txt.`,
    )
  }
  const { imageSize } = context
  let firstId = 0
  const dataset = async (part: PartName): Promise<MemoryDataset | null> => {
    const raw = parts[part]
    if (raw === undefined) return null
    const name = `${set?.title ?? directory} ${part}`
    const made = new MemoryDataset({ name, classNames, firstId, ...(await resized(raw, imageSize, options.interpolation)) })
    firstId += made.length
    return made
  }
  const train = (await dataset('train')) as MemoryDataset
  return { kind: 'memory', train, validation: await dataset('validation'), test: await dataset('test'), statistics: null }
}

interface IdxFiles {
  readonly images: string
  readonly labels: string
}
type FoundParts = Partial<Record<PartName, IdxFiles>>

/** The pairs of files in a folder. @throws {DatasetError} when a part comes twice */
async function findIdx(folder: string): Promise<FoundParts | null> {
  const names = await readdir(folder).catch(() => [] as string[])
  const found: FoundParts = {}
  for (const name of names.sort()) {
    const match = /^(.*?)(train|t10k|test|valid|val)([-_])images([-._])idx[34]-ubyte(\.gz)?$/.exec(name)
    if (match === null) continue
    const [, prefix = '', word = '', dash = '', dot = ''] = match
    const part = partNamed(word) as PartName
    const stem = `${prefix}${word}${dash}labels${dot}idx1-ubyte`
    const labels = [stem, `${stem}.gz`].find((other) => names.includes(other))
    if (labels === undefined) throw new DatasetError(`${join(folder, name)}: expected ${stem} beside it but it is not there.`)
    const earlier = found[part]?.images
    if (earlier !== undefined && earlier !== join(folder, name.replace(/\.gz$/, ''))) {
      throw new DatasetError(`${folder}: expected one file of ${part} pictures but there are ${earlier} and ${name}. Keep each set in a folder of its own.`)
    }
    found[part] ??= { images: join(folder, name), labels: join(folder, labels) }
  }
  return found.train === undefined ? null : found
}

async function obtainIdx(
  set: IdxSet,
  directory: string,
  context: FormatContext & { readonly download: boolean },
): Promise<FoundParts> {
  const find = async (): Promise<FoundParts | null> => {
    for (const folder of set.folders) {
      const found = await findIdx(join(directory, folder))
      if (found?.test !== undefined) return found
    }
    return null
  }
  const [folder = ''] = set.folders
  return obtain({ title: set.title, folder, alternative: null, find, remote: { kind: 'files', files: set.files } }, directory, context)
}

interface RawPart {
  readonly labels: Int32Array
  /** [N, height, width, 3] */
  readonly pixels: Uint8Array
  readonly height: number
  readonly width: number
}

async function readPart({ images, labels }: IdxFiles): Promise<RawPart> {
  const pictures = await readIdx(images, [3, 4])
  const [count = 0, height = 0, width = 0, channels = 1] = pictures.shape
  if (height < 1 || width < 1 || (channels !== 1 && channels !== 3))
    throw new DatasetError(`${images}: expected grey or RGB pictures but its shape is ${pictures.shape.join(' × ')}.`)
  const numbers = await readIdx(labels, [1])
  if (numbers.shape[0] !== count)
    throw new DatasetError(`${labels}: expected ${count} labels, one for each picture of ${images}, but got ${numbers.shape[0]}.`)
  let pixels = pictures.values
  if (channels === 1) {
    pixels = new Uint8Array(pictures.values.length * 3)
    for (let i = 0; i < pictures.values.length; i++) pixels.fill(pictures.values[i] as number, i * 3, i * 3 + 3)
  }
  return { labels: Int32Array.from(numbers.values), pixels, height, width }
}

/** @param dimensions that are expected; @throws {DatasetError} for another type or shape, or a file that is cut off */
async function readIdx(path: string, dimensions: readonly number[]): Promise<{ shape: number[]; values: Uint8Array }> {
  const stored = await readFile(path)
  let bytes: Uint8Array = stored
  if (stored[0] === 0x1f && stored[1] === 0x8b) {
    try {
      bytes = gunzipSync(stored, { maxOutputLength: 4e9 })
    } catch (error) {
      throw new DatasetError(`${path}: the gzip file is damaged (${String(error)}). Fetch it again.`, { cause: error })
    }
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = bytes[3] ?? 0
  if (bytes.length < 4 + 4 * count || bytes[0] !== 0 || bytes[1] !== 0 || !dimensions.includes(count))
    throw new DatasetError(`${path}: expected an IDX file of ${dimensions.join(' or ')} dimensions but it begins otherwise.`)
  if (bytes[2] !== 8)
    throw new DatasetError(`${path}: expected unsigned bytes (type 8) but the file has type ${bytes[2]}. Convert it to 8 bits.`)
  const shape = Array.from({ length: count }, (_, i) => view.getUint32(4 + 4 * i))
  const values = bytes.subarray(4 + 4 * count)
  const expected = shape.reduce((product, size) => product * size, 1)
  if (values.length !== expected)
    throw new DatasetError(`${path}: expected ${expected} values (${shape.join(' × ')}) but got ${values.length}. Fetch the file again.`)
  return { shape, values }
}

/** Pictures resampled once to squares of `side`; as they are when they are that already. */
async function resized(part: RawPart, side: number, interpolation: Interpolation = 'bilinear'): Promise<RawPart> {
  const { height, width, labels, pixels } = part
  if (height === side && width === side) return part
  const size = height * width * 3
  const out = new Uint8Array(labels.length * side * side * 3)
  const o = { height, width, outHeight: side, outWidth: side, interpolation }
  await mapConcurrent(Array.from(labels.keys()), 16, async (index) =>
    out.set(await resizeImage(pixels.subarray(index * size, (index + 1) * size), o), index * side * side * 3),
  )
  return { labels, pixels: out, height: side, width: side }
}
