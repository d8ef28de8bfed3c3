/** What a configuration may say under `data`. */
import { z } from 'zod'
import type { Interpolation } from '../binding/index.ts'
import { datasetNames } from './formats/names.ts'
import type { DatasetName } from './formats/names.ts'
import { replaySchema } from './replay.ts'
import type { ReplayOptions } from './replay.ts'

export interface DataOptions {
  readonly dataset: DatasetName
  /** Where the data set lies: the folder of class folders, of shards, or that holds `cifar-10-batches-bin` and the like. */
  readonly directory: string
  /** manifest: the table. Default: the only .csv, .tsv or .jsonl in the directory. */
  readonly manifest?: string | undefined
  /** manifest, parquet: names of columns. Default: the usual ones. */
  readonly imageColumn?: string | undefined
  readonly labelColumn?: string | undefined
  readonly splitColumn?: string | undefined
  /** imagenet: the labels of a flat val/. Default: one of the usual names. */
  readonly labelFile?: string | undefined
  /** Side of the pictures that the network sees. Default: 32; 28 for MNIST's format; 224 for pictures in files. */
  readonly imageSize?: number | undefined
  /** Pictures in files: shorter side before cropping. Default: imageSize · 256 / 224. */
  readonly resizeTo?: number | undefined
  /** Of pictures that are resampled. Default: bilinear. */
  readonly interpolation?: Interpolation | undefined
  /** Normalisation of the pictures, per channel on a scale of 0–1; default: the data set's own. Pretrained weights need theirs. */
  readonly mean?: readonly number[] | undefined
  readonly std?: readonly number[] | undefined
  /** Share of the training part that is held out for choosing the best epoch; 0 = none. */
  readonly validationFraction: number
  /** More than 1: the validation part is the `fold`-th of so many stratified parts of the training part. */
  readonly folds: number
  readonly fold: number
  /** Train with so many pictures of each class; the others are left out. */
  readonly subsetPerClass?: number | undefined
  /** Synthetic pictures beside the real ones of the training part. */
  readonly replay?: ReplayOptions | undefined
  /** Which pictures an epoch of a phase without an order of its own (SupCon has one) draws. */
  readonly sampler: SamplerName
  /** Sampler `m_per_class`: pictures of a class in a batch; `repeated`: how often each picture comes. */
  readonly samplerRepeats: number
  /** Share held out for testing, where the data set has no test part of its own. */
  readonly testFraction: number
  /** Pictures decoded at a time; where a GPU trains, also augmented at a time. Default: the number of processors. */
  readonly workers?: number | undefined
  /** A file that cannot be read ends the run (`fail`), or is left out after one check of all files at the start (`skip`). */
  readonly unreadable: 'skip' | 'fail'
  /** With `skip`: more than this share of unreadable files ends the run all the same. */
  readonly maxBadFraction: number
  /** Larger pictures are refused unread. */
  readonly maxPixels: number
  /** Who decodes JPEG: libjpeg-turbo where it is built in, or sharp as for all other formats. */
  readonly decoder: 'auto' | 'sharp'
  /** Decoded pictures are kept on disk: `auto` (the user's cache folder), a folder, or `off`. */
  readonly cache: string
  /** Compare the content of every file with what was decoded, not only of those whose size or time changed. */
  readonly cacheVerify: boolean
  /** What the cache folder may hold; the data sets used longest ago make room. */
  readonly cacheGigabytes: number
  /** Without a cache on disk, decoded pictures are kept in memory up to this much. */
  readonly cacheMegabytes: number
  /** Fetch a missing data set from its official address. */
  readonly download: boolean
  /** Train in a new random order each epoch (true) or in the data set's own. */
  readonly shuffleTrain: boolean
}

export type SamplerName = 'random' | 'balanced' | 'm_per_class' | 'repeated'

const side = z.int().min(1).max(8192)
const channels = (value: z.ZodType<number>): z.ZodType<readonly number[]> => z.array(value).length(3)
const fraction = z.number().min(0).lt(1)

export const dataOptionsSchema: z.ZodType<DataOptions> = z.strictObject({
  dataset: z.enum(datasetNames).default('digits').describe('which data set'),
  directory: z.string().min(1).default('data').describe('folder of the data set'),
  manifest: z.string().min(1).optional().describe('manifest: the table; default: the only .csv, .tsv or .jsonl in the folder'),
  imageColumn: z.string().min(1).optional().describe('manifest, parquet: the column of paths or pictures; default: the usual names'),
  labelColumn: z.string().min(1).optional().describe('manifest, parquet: the column of labels'),
  splitColumn: z.string().min(1).optional().describe('manifest: the column that tells train, val or test'),
  labelFile: z.string().min(1).optional().describe('imagenet: the labels of a flat val/; default: one of the usual names'),
  imageSize: side
    .optional()
    .describe('side of the pictures in pixels; default 32, 28 for MNIST’s format; pictures in files: that of the published weights, or 224'),
  resizeTo: side
    .optional()
    .describe('pictures in files: shorter side before cropping; default as the published weights want it, or image_size · 256 / 224'),
  interpolation: z
    .enum(['bilinear', 'bicubic'])
    .optional()
    .describe('of pictures that are resampled; default as the published weights want it, or bilinear'),
  mean: channels(z.number())
    .optional()
    .describe('normalisation: mean of each channel on a scale of 0–1; default: the published weights’, or the data set’s'),
  std: channels(z.number().positive())
    .optional()
    .describe('normalisation: standard deviation of each channel; default: the published weights’, or the data set’s'),
  validationFraction: fraction.default(0.1).describe('share of the training part held out for choosing the best epoch'),
  folds: z.int().min(1).max(1000).default(1).describe('k-fold: the validation part is one of so many stratified parts; 1: validation_fraction'),
  fold: z.int().min(0).max(999).default(0).describe('which of the folds, from 0'),
  subsetPerClass: z.int().min(1).optional().describe('train with so many pictures of each class'),
  replay: replaySchema.optional().describe('synthetic pictures that are learnt from beside the real ones'),
  sampler: z
    .enum(['random', 'balanced', 'm_per_class', 'repeated'])
    .default('random')
    .describe('what an epoch draws: all once, every class equally often, batches of m a class, every picture several times'),
  samplerRepeats: z.int().min(1).max(1000).default(3).describe('m_per_class: m; repeated: how often each picture comes'),
  testFraction: fraction.gt(0).default(0.2).describe('share held out for testing where there is no test part'),
  workers: z.int().min(1).max(256).optional().describe('pictures decoded at a time, and augmented where a GPU trains; default: the number of processors'),
  unreadable: z.enum(['skip', 'fail']).default('fail').describe('what a file that cannot be read does to the run'),
  maxBadFraction: fraction.default(0.01).describe('with "skip": the share of unreadable files that is still accepted'),
  maxPixels: z.int().min(1).max(1e9).default(64e6).describe('pictures with more pixels are refused'),
  decoder: z.enum(['auto', 'sharp']).default('auto').describe('who decodes JPEG: libjpeg-turbo where it is built in, or sharp'),
  cache: z.string().min(1).default('auto').describe('where decoded pictures are kept: auto, a folder, or off'),
  cacheVerify: z.boolean().default(false).describe('compare the content of every file with what the cache was made of, not size and time alone'),
  cacheGigabytes: z.number().min(0).max(1e6).default(100).describe('what the cache folder may hold'),
  cacheMegabytes: z.int().min(0).max(1e6).default(512).describe('without a cache on disk: memory for decoded pictures'),
  download: z.boolean().default(true).describe('fetch a missing data set from its official address'),
  shuffleTrain: z.boolean().default(true).describe('a new random order each epoch'),
})
