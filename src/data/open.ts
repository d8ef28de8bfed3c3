/** From options to the parts of a data set. */
import type { Interpolation } from '../binding/index.ts'
import type { DownloadProgress } from '../util/download.ts'
import { ConfigError, DatasetError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { CIFAR10, CIFAR100, openCifar } from './cifar.ts'
import type { CifarSpec } from './cifar.ts'
import { classCounts, subset } from './dataset.ts'
import type { Dataset, DatasetSplits, SplitIndices } from './dataset.ts'
import { openDigits } from './digits.ts'
import { findImages } from './image-files.ts'
import type { ImageTree } from './image-files.ts'
import { ImageFolderDataset, PictureCache, withoutUnreadable } from './image-folder.ts'
import { defaultImageSize } from './options.ts'
import type { DataOptions } from './options.ts'
import { stratifiedSplit } from './split.ts'

/** How images were prepared for the weights that training or evaluation starts from; counts where the options say nothing. */
export interface Preferred {
  readonly imageSize: number
  /** shorter side before the central square of so many pixels is taken */
  readonly resizeTo: (imageSize: number) => number
  readonly interpolation: Interpolation
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

export interface OpenContext {
  readonly seed: number
  /** The picture size of the phase; default: the options', or the data set's usual one. */
  readonly imageSize?: number | undefined
  readonly logger: Logger
  readonly signal?: AbortSignal | undefined
  /** Of downloads (bytes), and of checking a folder's files (files). */
  readonly progress?: ((progress: DownloadProgress) => void) | undefined
  readonly preferred?: Preferred | null | undefined
  /** Identities of an earlier split, to be used again. */
  readonly split?: SplitIndices | undefined
}

/** ImageNet's, Krizhevsky et al. 2012 as torchvision rounds them: the usual choice for photographs. */
const IMAGENET_MEAN = [0.485, 0.456, 0.406]
const IMAGENET_STD = [0.229, 0.224, 0.225]

/**
 * Opens a data set and splits it: the test part is the data set's own, or a stratified share of everything; the validation part its
 * own, or a stratified share of the training part. Splits depend on the seed alone.
 *
 * Digits and CIFAR come whole from memory (digits at `imageSize`, CIFAR at 32). Pictures of a folder have their shorter side
 * resampled to `resizeTo`: training pictures are the central `resizeTo` square, for random crops of `imageSize`; validation and
 * test pictures the central `imageSize` square. What the options leave open is taken from `context.preferred`, but for the image size of
 * data sets that lie in memory.
 *
 * @throws {DatasetError} for missing, damaged or unusable data; see the modules of this folder
 */
export async function openDataset(options: DataOptions, context: OpenContext): Promise<DatasetSplits> {
  const { preferred } = context
  const splits = await openSplits({ ...options, interpolation: options.interpolation ?? preferred?.interpolation }, context)
  return {
    ...splits,
    mean: options.mean ?? preferred?.mean ?? splits.mean,
    std: options.std ?? preferred?.std ?? splits.std,
    interpolation: options.interpolation ?? preferred?.interpolation ?? 'bilinear',
  }
}

type Splits = Omit<DatasetSplits, 'interpolation'>

async function openSplits(options: DataOptions, context: OpenContext): Promise<Splits> {
  const published = options.dataset === 'imagefolder' ? context.preferred?.imageSize : undefined
  const imageSize = context.imageSize ?? options.imageSize ?? published ?? defaultImageSize(options.dataset)
  switch (options.dataset) {
    case 'digits':
      return splitDigits(options, context, imageSize)
    case 'cifar10':
      return splitCifar(CIFAR10, options, context, imageSize)
    case 'cifar100':
      return splitCifar(CIFAR100, options, context, imageSize)
    case 'imagefolder':
      return splitFolder(options, context, imageSize)
    default:
      throw new ConfigError(
        `data.dataset: expected digits, cifar10, cifar100 or imagefolder, got ${JSON.stringify((options).dataset)}.`,
      )
  }
}

async function splitDigits(options: DataOptions, context: OpenContext, imageSize: number): Promise<Splits> {
  const all = await openDigits(imageSize, options.interpolation)
  const whole = testSplit(all, options, context)
  const parts = divide(subset(all, whole.first), subset(all, whole.second), null, options, context)
  const pixels = await parts.train.read(Array.from(parts.train.labels.keys()))
  const { mean, std } = greyStatistics(pixels)
  return { ...parts, mean: [mean, mean, mean], std: [std, std, std], imageSize, resizeTo: imageSize }
}

async function splitCifar(
  spec: CifarSpec,
  options: DataOptions,
  context: OpenContext,
  imageSize: number,
): Promise<Splits> {
  const { train, test } = await openCifar(spec, options.directory, { ...context, download: options.download })
  const parts = divide(train, test, null, options, context)
  return { ...parts, mean: spec.mean, std: spec.std, imageSize, resizeTo: Math.max(imageSize, train.height) }
}

async function splitFolder(options: DataOptions, context: OpenContext, imageSize: number): Promise<Splits> {
  const { directory, maxPixels, workers, interpolation } = options
  const resizeTo = options.resizeTo ?? context.preferred?.resizeTo(imageSize) ?? Math.round((imageSize * 256) / 224)
  if (resizeTo < imageSize) {
    throw new DatasetError(
      `${directory}: expected data.resize_to of at least the image size ${imageSize} but got ${resizeTo}. Change one of them.`,
    )
  }
  const layout = await findImages(directory, context.logger)
  const cache = new PictureCache(options.cacheMegabytes * 2 ** 20)
  let firstId = 0
  /** The same files twice: as training pictures (larger squares) and as evaluation pictures. */
  const open = async (tree: ImageTree, name: string): Promise<{ large: Dataset; small: Dataset }> => {
    const common = {
      classNames: tree.classNames,
      files: tree.files,
      firstId,
      workers,
      cache,
      maxPixels,
      resizeTo,
      interpolation,
      name,
    }
    firstId += tree.files.length
    const large = new ImageFolderDataset({ ...common, cropTo: resizeTo })
    const small = new ImageFolderDataset({ ...common, cropTo: imageSize })
    const label = `checking ${name}`
    const readable = await withoutUnreadable(large, {
      maxBadFraction: options.unreadable === 'fail' ? null : options.maxBadFraction,
      logger: context.logger,
      signal: context.signal,
      progress: (received) => context.progress?.({ received, total: tree.files.length, label }),
    })
    if (readable === large) return { large, small }
    const kept = Array.from({ length: readable.length }, (_, index) => readable.at(index).id - large.at(0).id)
    return { large: readable, small: subset(small, kept, readable.unreadable) }
  }

  const everything = await open(layout.train, layout.test || layout.validation ? `${directory}/train` : directory)
  requireTwo(everything.large)
  // Only one evaluation folder: it is the test part, whatever its name, and the best epoch is chosen on held-out training pictures.
  const testTree = layout.test ?? layout.validation
  const ownValidation = layout.test ? layout.validation : null
  let parts
  if (testTree) {
    const test = (await open(testTree, `${directory}/${layout.test ? 'test' : 'val'}`)).small
    const validation = ownValidation ? (await open(ownValidation, `${directory}/val`)).small : null
    parts = divide(everything.large, test, validation, options, context, everything.small)
  } else {
    const { first, second } = testSplit(everything.large, options, context)
    const test = subset(everything.small, second)
    parts = divide(subset(everything.large, first), test, null, options, context, subset(everything.small, first))
  }
  return { ...parts, mean: IMAGENET_MEAN, std: IMAGENET_STD, imageSize, resizeTo }
}

/** Training and test places; a restored split picks from all of them. */
function testSplit(all: Dataset, options: DataOptions, context: OpenContext): { first: number[]; second: number[] } {
  if (!context.split) return stratifiedSplit(all.labels, options.testFraction, context.seed)
  const every = Array.from(all.labels.keys())
  return { first: every, second: every }
}

type Parts = Pick<DatasetSplits, 'train' | 'validation' | 'test' | 'indices'>

/**
 * Takes the validation part out of the training part unless there is one, or restores an earlier split.
 *
 * @param evaluated the training samples as evaluation pictures, where these differ
 */
function divide(
  train: Dataset,
  test: Dataset,
  validation: Dataset | null,
  options: DataOptions,
  context: OpenContext,
  evaluated: Dataset = train,
): Parts {
  let parts: Omit<Parts, 'indices'>
  if (context.split) {
    parts = restore(context.split, train, test, validation ?? evaluated)
  } else if (validation !== null || options.validationFraction === 0) {
    parts = { train, validation, test }
  } else {
    // Another seed than the test split's, or both would take the same places of each class.
    const { first, second } = stratifiedSplit(train.labels, options.validationFraction, context.seed + 1)
    parts = { train: subset(train, first), validation: second.length > 0 ? subset(evaluated, second) : null, test }
  }
  return {
    ...parts,
    indices: { train: idsOf(parts.train), validation: idsOf(parts.validation), test: idsOf(parts.test) },
  }
}

function restore(split: SplitIndices, train: Dataset, test: Dataset, validation: Dataset): Omit<Parts, 'indices'> {
  return {
    train: pick(train, split.train, 'train'),
    validation: split.validation.length > 0 ? pick(validation, split.validation, 'validation') : null,
    test: pick(test, split.test, 'test'),
  }
}

function pick(dataset: Dataset, ids: readonly number[], part: string): Dataset {
  const places = new Map(Array.from({ length: dataset.length }, (_, index) => [dataset.at(index).id, index]))
  const indices = ids.map((id) => {
    const index = places.get(id)
    if (index === undefined) {
      throw new DatasetError(
        `${dataset.name}: the saved split lists sample ${id} in its ${part} part, which the data set does not have there. ` +
          'The data set or its options changed since; use the same ones, or start a new run.',
      )
    }
    return index
  })
  return subset(dataset, indices)
}

function idsOf(dataset: Dataset | null): number[] {
  return dataset === null ? [] : Array.from({ length: dataset.length }, (_, index) => dataset.at(index).id)
}

/** A class needs a picture to learn from and another to be compared with. */
function requireTwo(dataset: Dataset): void {
  const label = classCounts(dataset.labels, dataset.classNames.length).findIndex((count) => count < 2)
  if (label >= 0) {
    throw new DatasetError(
      `${dataset.name}: class "${dataset.classNames[label]}" has 1 image; at least 2 are needed, ` +
        'one to learn from and one to compare with. Add images or remove the class.',
    )
  }
}

/** Mean and standard deviation of all values, scaled to 0–1 and rounded to four places as published constants are. */
function greyStatistics(pixels: Uint8Array): { mean: number; std: number } {
  let sum = 0
  let squares = 0
  for (const value of pixels) {
    sum += value
    squares += value * value
  }
  const mean = sum / pixels.length
  const std = Math.sqrt(squares / pixels.length - mean * mean)
  const rounded = (value: number): number => Math.round((value / 255) * 1e4) / 1e4
  return { mean: rounded(mean), std: rounded(std) }
}
