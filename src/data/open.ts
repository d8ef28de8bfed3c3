/** From options to the parts of a data set. */
import type { Interpolation } from '../binding/index.ts'
import type { DownloadProgress } from '../util/download.ts'
import { checkedOptions } from '../util/checked-options.ts'
import { ConfigError, DatasetError } from '../util/errors.ts'
import type { Logger } from '../util/logger.ts'
import { channelStatistics } from './channel-statistics.ts'
import { classCounts, subset } from './dataset.ts'
import type { Dataset, DatasetSplits, SplitIndices } from './dataset.ts'
import { datasetNames } from './formats/names.ts'
import { formats } from './formats/registry.ts'
import type { OpenedData, Statistics } from './formats/format.ts'
import { dataOptionsSchema, type DataOptions } from './options.ts'
import { cacheFolder, openPacked } from './packed/index.ts'
import { PictureCache, PictureDataset, withoutUnreadable } from './picture-dataset.ts'
import { FIRST_REPLAY_ID, replaySource, withReplay } from './replay.ts'
import type { PictureSource } from './source.ts'
import { perClass, stratifiedFolds, stratifiedSplit } from './split.ts'

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
  /** Of downloads (bytes), and of decoding pictures for the first time (pictures). */
  readonly progress?: ((progress: DownloadProgress) => void) | undefined
  readonly preferred?: Preferred | null | undefined
  /** Identities of an earlier split, to be used again. */
  readonly split?: SplitIndices | undefined
}

/** Of all its own, no part divided yet: what is inspected and converted. */
export interface OpenedParts {
  readonly imageSize: number
  readonly opened: OpenedData
}

/**
 * Opens a data set and splits it: the test part is the data set's own, or a stratified share of everything; the validation part its
 * own, or a stratified share of the training part. Splits depend on the seed alone.
 *
 * Small data sets lie in memory (CIFAR at 32 pixels, digits and MNIST's format at `imageSize`). Pictures in files have their shorter
 * side resampled to `resizeTo`: training pictures are the central `resizeTo` square, for random crops of `imageSize`; validation
 * and test pictures the central `imageSize` square. What the options leave open is taken from `context.preferred`, but for the
 * image size of data sets that lie in memory.
 *
 * @param given what it leaves out has its default
 * @throws {ConfigError} for an option that there is not, or whose value cannot be
 * @throws {DatasetError} for missing, damaged or unusable data; see the modules of this folder
 */
export async function openDataset(given: Partial<DataOptions>, context: OpenContext): Promise<DatasetSplits> {
  const options = checkedOptions('openDataset', dataOptionsSchema, given)
  const { preferred } = context
  const interpolation = options.interpolation ?? preferred?.interpolation ?? 'bilinear'
  const { imageSize, opened } = await openParts({ ...options, interpolation }, context)
  const splits =
    opened.kind === 'memory'
      ? await splitMemory(opened, options, context, imageSize)
      : await splitPictures(opened, { ...options, interpolation }, context, imageSize)
  return {
    ...splits,
    train: await replayed(splits.train, { ...options, interpolation }, context),
    mean: options.mean ?? preferred?.mean ?? splits.mean,
    std: options.std ?? preferred?.std ?? splits.std,
    interpolation,
  }
}

type Splits = Omit<DatasetSplits, 'interpolation'>

/** With synthetic pictures of the training pictures' size, where the options name some. Splits and statistics are those of the real ones. */
async function replayed(train: Dataset, options: DataOptions, context: OpenContext): Promise<Dataset> {
  const { replay } = options
  if (replay === undefined) return train
  const source = await replaySource(replay, train.classNames, context.logger)
  const open = pictureOpener(options, context, train.height, FIRST_REPLAY_ID)
  const { large } = await open(source, train.height, train.height)
  // another seed than the splits have
  const both = withReplay(train, large, replay.ratio, context.seed + 3)
  context.logger.info(
    `data: ${both.length - train.length} of ${large.length} synthetic pictures of ${replay.directory} beside ${train.length} real ones`,
  )
  return both
}

/** The data set's own parts. */
export async function openParts(options: DataOptions, context: OpenContext): Promise<OpenedParts> {
  const format = Object.hasOwn(formats, options.dataset) ? formats[options.dataset] : undefined
  if (format === undefined)
    throw new ConfigError(`data.dataset: expected one of ${datasetNames.join(', ')}, got ${JSON.stringify(options.dataset)}.`)
  const published = format.inFiles ? context.preferred?.imageSize : undefined
  const imageSize = context.imageSize ?? options.imageSize ?? published ?? format.imageSize
  return { imageSize, opened: await format.open(options, { ...context, imageSize }) }
}

type MemoryData = Extract<OpenedData, { kind: 'memory' }>
type PictureData = Extract<OpenedData, { kind: 'pictures' }>

async function splitMemory(
  opened: MemoryData,
  options: DataOptions,
  context: OpenContext,
  imageSize: number,
): Promise<Splits> {
  const { train, validation } = opened
  const whole = opened.test === null ? testSplit(train, options, context) : null
  const parts = divide(
    whole === null ? train : subset(train, whole.first),
    opened.test ?? subset(train, whole?.second ?? []),
    validation,
    options,
    context,
  )
  const statistics = opened.statistics ?? rounded(await channelStatistics(parts.train))
  const { height, width } = train
  return { ...parts, ...statisticsOf(statistics), imageSize, resizeTo: Math.max(imageSize, Math.min(height, width)) }
}

async function splitPictures(
  opened: PictureData,
  options: DataOptions,
  context: OpenContext,
  imageSize: number,
): Promise<Splits> {
  const resizeTo = options.resizeTo ?? context.preferred?.resizeTo(imageSize) ?? Math.round((imageSize * 256) / 224)
  if (resizeTo < imageSize) {
    throw new DatasetError(
      `${options.directory}: expected data.resize_to of at least the image size ${imageSize} but got ${resizeTo}. Change one of them.`,
    )
  }
  const open = pictureOpener(options, context, resizeTo)
  const train = await open(opened.train, resizeTo, imageSize)
  requireTwo(train.large)
  // Only one evaluation part: it is the test part, whatever its name, and the best epoch is chosen on held-out training pictures.
  const testSource = opened.test ?? opened.validation
  const ownValidation = opened.test ? opened.validation : null
  const common = { ...statisticsOf(opened.statistics), imageSize, resizeTo }
  if (testSource === null) {
    const { first, second } = testSplit(train.large, options, context)
    const test = subset(train.small, second)
    return { ...divide(subset(train.large, first), test, null, options, context, subset(train.small, first)), ...common }
  }
  const test = (await open(testSource, imageSize, imageSize)).small
  const validation = ownValidation ? (await open(ownValidation, imageSize, imageSize)).small : null
  return { ...divide(train.large, test, validation, options, context, train.small), ...common }
}

/** The same pictures twice: as training pictures (larger squares) and as evaluation pictures. */
interface PicturePart {
  readonly large: Dataset
  readonly small: Dataset
}

function pictureOpener(
  options: DataOptions,
  context: OpenContext,
  resizeTo: number,
  firstId = 0,
): (source: PictureSource, largest: number, smallest: number) => Promise<PicturePart> {
  const { maxPixels, workers, decoder, interpolation } = options
  const { logger, signal, progress } = context
  const cache = new PictureCache(options.cacheMegabytes * 2 ** 20)
  const folder = cacheFolder(options.cache)
  let nextId = firstId
  return async (source, largest, smallest) => {
    const settings = { resizeTo, cropTo: largest, interpolation, maxPixels, workers, decoder }
    const packed =
      folder === null
        ? null
        : await openPacked(source, settings, {
            folder,
            limitBytes: options.cacheGigabytes * 1e9,
            verify: options.cacheVerify,
            logger,
            signal,
            progress,
          })
    const common = { source, firstId: nextId, cache, packed, logger }
    nextId += source.labels.length
    const large = new PictureDataset({ ...settings, ...common })
    const small = smallest === largest ? large : new PictureDataset({ ...settings, ...common, cropTo: smallest })
    const readable = await withoutUnreadable(large, {
      maxBadFraction: options.unreadable === 'fail' ? null : options.maxBadFraction,
      logger,
      signal,
      progress: (received) => progress?.({ received, total: large.length, label: `checking ${source.name}` }),
    })
    if (readable === large) return { large, small }
    if (small === large) return { large: readable, small: readable }
    const kept = Array.from({ length: readable.length }, (_, index) => readable.at(index).id - large.at(0).id)
    return { large: readable, small: subset(small, kept, readable.unreadable) }
  }
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
  const { folds, fold, subsetPerClass, validationFraction } = options
  let parts: Omit<Parts, 'indices'>
  if (context.split) {
    parts = restore(context.split, train, test, validation ?? evaluated)
  } else if (folds === 1 && (validation !== null || validationFraction === 0)) {
    parts = { train, validation, test }
  } else {
    // Another seed than the test split's, or both would take the same places of each class.
    const { first, second } =
      folds > 1
        ? foldOf(train, folds, fold, context.seed + 1)
        : stratifiedSplit(train.labels, validationFraction, context.seed + 1)
    parts = { train: subset(train, first), validation: second.length > 0 ? subset(evaluated, second) : null, test }
  }
  if (subsetPerClass !== undefined && !context.split) {
    const kept = perClass(parts.train.labels, subsetPerClass, context.seed + 2)
    parts = { ...parts, train: subset(parts.train, kept) }
  }
  return {
    ...parts,
    indices: { train: idsOf(parts.train), validation: idsOf(parts.validation), test: idsOf(parts.test) },
  }
}

function foldOf(train: Dataset, folds: number, fold: number, seed: number): { first: number[]; second: number[] } {
  if (fold >= folds) throw new ConfigError(`data.fold: expected a number from 0 to ${folds - 1} (data.folds is ${folds}) but got ${fold}.`)
  const parts = stratifiedFolds(train.labels, folds, seed)
  const first = parts.flatMap((part, at) => (at === fold ? [] : part)).sort((a, b) => a - b)
  return { first, second: parts[fold] as number[] }
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

function statisticsOf({ mean, std }: Statistics): Statistics {
  return { mean, std }
}

/** To four places, as published constants are. */
function rounded({ mean, std }: Statistics): Statistics {
  const four = (value: number): number => Math.round(value * 1e4) / 1e4
  return { mean: mean.map(four), std: std.map((value) => Math.max(1e-4, four(value))) }
}
