/**
 * CIFAR-10 and CIFAR-100: 60,000 pictures of 32 × 32. A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
 * https://www.cs.toronto.edu/~kriz/cifar.html
 *
 * Both published layouts are read: the binary one (label bytes, then the R, G and B planes of each picture) and Python's pickles.
 * Pictures of the training part have the ids 0–49,999, those of the test part 50,000–59,999.
 */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatasetError } from '../util/errors.ts'
import type { RemoteFile } from '../util/download.ts'
import { sha256OfFile } from '../util/files.ts'
import { CIFAR100_CLASSES, CIFAR10_CLASSES } from './cifar-classes.ts'
import { MemoryDataset } from './dataset.ts'
import { obtain } from './obtain.ts'
import type { ObtainContext } from './obtain.ts'
import { readPickle } from './pickle.ts'
import type { PickledArray } from './pickle.ts'

const SIDE = 32
const PLANE = SIDE * SIDE
const PIXELS = 3 * PLANE

interface PartFile {
  readonly name: string
  readonly count: number
  /** Of the binary file. */
  readonly sha256?: string
}

export interface CifarSpec {
  readonly name: 'cifar10' | 'cifar100'
  readonly title: string
  readonly classNames: readonly string[]
  /** Label bytes before the pixels of a binary record; the last is the one used (CIFAR-100: coarse, fine). */
  readonly labelBytes: number
  readonly binary: { readonly folder: string; readonly train: readonly PartFile[]; readonly test: readonly PartFile[] }
  readonly pickles: {
    readonly folder: string
    readonly train: readonly PartFile[]
    readonly test: readonly PartFile[]
    readonly labelKey: string
  }
  /** The binary layout. */
  readonly archive: RemoteFile
  /** Per channel over the training part, of values scaled to 0–1. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

export const CIFAR10: CifarSpec = {
  name: 'cifar10',
  title: 'CIFAR-10',
  classNames: CIFAR10_CLASSES,
  labelBytes: 1,
  binary: {
    folder: 'cifar-10-batches-bin',
    train: [
      'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5',
      'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed',
      'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67',
      '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48',
      '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add',
    ].map((sha256, batch) => ({ name: `data_batch_${batch + 1}.bin`, count: 10000, sha256 })),
    test: [
      {
        name: 'test_batch.bin',
        count: 10000,
        sha256: '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b',
      },
    ],
  },
  pickles: {
    folder: 'cifar-10-batches-py',
    train: [1, 2, 3, 4, 5].map((batch) => ({ name: `data_batch_${batch}`, count: 10000 })),
    test: [{ name: 'test_batch', count: 10000 }],
    labelKey: 'labels',
  },
  archive: {
    url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
    digest: { kind: 'sha256', value: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd' },
    size: 170052171,
    label: 'CIFAR-10',
  },
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
}

export const CIFAR100: CifarSpec = {
  name: 'cifar100',
  title: 'CIFAR-100',
  classNames: CIFAR100_CLASSES,
  labelBytes: 2,
  binary: {
    folder: 'cifar-100-binary',
    train: [
      { name: 'train.bin', count: 50000, sha256: 'f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29' },
    ],
    test: [
      { name: 'test.bin', count: 10000, sha256: 'd8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a' },
    ],
  },
  pickles: {
    folder: 'cifar-100-python',
    train: [{ name: 'train', count: 50000 }],
    test: [{ name: 'test', count: 10000 }],
    labelKey: 'fine_labels',
  },
  archive: {
    url: 'https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz',
    digest: { kind: 'sha256', value: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec' },
    size: 168513733,
    label: 'CIFAR-100',
  },
  mean: [0.5071, 0.4865, 0.4409],
  std: [0.2673, 0.2564, 0.2762],
}

/**
 * Reads the set from `directory`, whichever layout lies there; downloads the binary one when neither does.
 *
 * @throws {DatasetError} when it is missing and cannot be fetched, or a file has a wrong size or a label out of range
 */
export async function openCifar(
  spec: CifarSpec,
  directory: string,
  context: ObtainContext,
): Promise<{ train: MemoryDataset; test: MemoryDataset }> {
  const layout = await obtain(
    {
      title: spec.title,
      folder: spec.binary.folder,
      alternative: spec.pickles.folder,
      find: () => findLayout(spec, directory),
      remote: {
        kind: 'archive',
        archive: spec.archive,
        expected: [...spec.binary.train, ...spec.binary.test].map((file) => file.name),
        verify: (folder) => verifyBinary(spec, folder),
        limits: { entries: 64, bytes: 400e6 },
      },
    },
    directory,
    context,
  )
  // Files that were put there by hand may have been changed on purpose, but not unseen.
  if (layout === 'binary') {
    await verifyBinary(spec, join(directory, spec.binary.folder)).catch((error: Error) =>
      context.logger.warn(`${error.message} It is not the published file; it is used as it is.`),
    )
  }
  const read = layout === 'binary' ? readBinary : readPickles
  const train = await read(spec, directory, 'train')
  const test = await read(spec, directory, 'test')
  const common = { name: spec.title, classNames: spec.classNames, height: SIDE, width: SIDE }
  return {
    train: new MemoryDataset({ ...common, ...train }),
    test: new MemoryDataset({ ...common, ...test, firstId: train.labels.length }),
  }
}

type Layout = 'binary' | 'pickles'
interface Part {
  readonly labels: Int32Array
  /** [N, 32, 32, 3] */
  readonly pixels: Uint8Array
}

async function findLayout(spec: CifarSpec, directory: string): Promise<Layout | null> {
  for (const layout of ['binary', 'pickles'] as const) {
    const { folder, train, test } = spec[layout]
    const sizes = await Promise.all(
      [...train, ...test].map(({ name }) => stat(join(directory, folder, name)).catch(() => null)),
    )
    if (sizes.every((info) => info?.isFile())) return layout
  }
  return null
}

async function verifyBinary(spec: CifarSpec, folder: string): Promise<void> {
  for (const { name, sha256 } of [...spec.binary.train, ...spec.binary.test]) {
    const sum = await sha256OfFile(join(folder, name)).catch(() => 'missing')
    if (sum !== sha256)
      throw new DatasetError(`${spec.title}: expected ${name} with SHA-256 ${sha256} but it is ${sum}.`)
  }
}

async function readBinary(spec: CifarSpec, directory: string, part: 'train' | 'test'): Promise<Part> {
  const files = spec.binary[part]
  const out = allocate(files)
  const record = spec.labelBytes + PIXELS
  let row = 0
  for (const { name, count } of files) {
    const path = join(directory, spec.binary.folder, name)
    const bytes = await readFile(path)
    if (bytes.length !== count * record) {
      throw new DatasetError(
        `${path}: expected ${count * record} bytes (${count} pictures) but got ${bytes.length}. ` +
          'Remove the file so that it is downloaded again.',
      )
    }
    for (let i = 0; i < count; i++, row++) {
      const at = i * record
      out.labels[row] = checkLabel(bytes[at + spec.labelBytes - 1], spec, path, i)
      interleave(bytes, at + spec.labelBytes, out.pixels, row * PIXELS)
    }
  }
  return out
}

async function readPickles(spec: CifarSpec, directory: string, part: 'train' | 'test'): Promise<Part> {
  const files = spec.pickles[part]
  const out = allocate(files)
  let row = 0
  for (const { name, count } of files) {
    const path = join(directory, spec.pickles.folder, name)
    const batch = readPickle(await readFile(path), path)
    const data = batch instanceof Map ? (batch.get('data') as unknown) : undefined
    const labels = batch instanceof Map ? (batch.get(spec.pickles.labelKey) as unknown) : undefined
    if (!isPictures(data, count) || !Array.isArray(labels) || labels.length !== count) {
      throw new DatasetError(
        `${path}: expected "data" of ${count} × ${PIXELS} uint8 and ${count} "${spec.pickles.labelKey}". ` +
          'Download the archive again, or use the binary version.',
      )
    }
    for (let i = 0; i < count; i++, row++) {
      out.labels[row] = checkLabel(labels[i], spec, path, i)
      interleave(data.data, i * PIXELS, out.pixels, row * PIXELS)
    }
  }
  return out
}

function isPictures(value: unknown, count: number): value is PickledArray {
  if (typeof value !== 'object' || value === null || !('shape' in value) || !Array.isArray(value.shape)) return false
  return value.shape.length === 2 && value.shape[0] === count && value.shape[1] === PIXELS
}

function allocate(files: readonly PartFile[]): Part {
  const total = files.reduce((sum, file) => sum + file.count, 0)
  return { labels: new Int32Array(total), pixels: new Uint8Array(total * PIXELS) }
}

function checkLabel(label: unknown, spec: CifarSpec, path: string, index: number): number {
  const classes = spec.classNames.length
  if (typeof label !== 'number' || !Number.isInteger(label) || label < 0 || label >= classes) {
    throw new DatasetError(
      `${path}: picture ${index} has label ${String(label)}, expected one of 0–${classes - 1}. ` +
        `The file is damaged or not ${spec.title}; remove it so that it is downloaded again.`,
    )
  }
  return label
}

/** Planes R, G, B → RGB pixel by pixel. */
function interleave(from: Uint8Array, start: number, to: Uint8Array, target: number): void {
  for (let i = 0; i < PLANE; i++) {
    const at = target + i * 3
    to[at] = from[start + i] as number
    to[at + 1] = from[start + PLANE + i] as number
    to[at + 2] = from[start + 2 * PLANE + i] as number
  }
}
