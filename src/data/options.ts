/** What a configuration may say under `data`. */
import { z } from 'zod'
import type { Interpolation } from '../binding/index.ts'

export const datasetNames: readonly ['digits', 'cifar10', 'cifar100', 'imagefolder'] = [
  'digits',
  'cifar10',
  'cifar100',
  'imagefolder',
]
export type DatasetName = (typeof datasetNames)[number]

export interface DataOptions {
  readonly dataset: DatasetName
  /** Where the data set lies: the folder of class folders, or the folder that holds `cifar-10-batches-bin` and the like. */
  readonly directory: string
  /** Side of the pictures that the network sees. Default: 32; 224 for an image folder. */
  readonly imageSize?: number | undefined
  /** Image folder: shorter side before cropping. Default: imageSize · 256 / 224. */
  readonly resizeTo?: number | undefined
  /** Of pictures that are resampled. Default: bilinear. */
  readonly interpolation?: Interpolation | undefined
  /** Normalisation of the pictures, per channel on a scale of 0–1; default: the data set's own. Pretrained weights need theirs. */
  readonly mean?: readonly number[] | undefined
  readonly std?: readonly number[] | undefined
  /** Share of the training part that is held out for choosing the best epoch; 0 = none. */
  readonly validationFraction: number
  /** Share held out for testing, where the data set has no test part of its own. */
  readonly testFraction: number
  /** Pictures decoded at a time. Default: the number of processors. */
  readonly workers?: number | undefined
  /** A file that cannot be read ends the run (`fail`), or is left out after one check of all files at the start (`skip`). */
  readonly unreadable: 'skip' | 'fail'
  /** With `skip`: more than this share of unreadable files ends the run all the same. */
  readonly maxBadFraction: number
  /** Larger pictures are refused unread. */
  readonly maxPixels: number
  /** Decoded pictures of an image folder are kept in memory up to this much, so that later epochs need no decoding. */
  readonly cacheMegabytes: number
  /** Fetch a missing data set from its official address. */
  readonly download: boolean
  /** Train in a new random order each epoch (true) or in the data set's own. */
  readonly shuffleTrain: boolean
}

const side = z.int().min(1).max(8192)
const channels = (value: z.ZodType<number>): z.ZodType<readonly number[]> => z.array(value).length(3)
const fraction = z.number().min(0).lt(1)

export const dataOptionsSchema: z.ZodType<DataOptions> = z.strictObject({
  dataset: z.enum(datasetNames).default('digits').describe('which data set'),
  directory: z.string().min(1).default('data').describe('folder of the data set'),
  imageSize: side.optional().describe('side of the pictures in pixels; default 32; an image folder: that of the published weights, or 224'),
  resizeTo: side.optional().describe('image folder: shorter side before cropping; default as the published weights want it, or imageSize · 256 / 224'),
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
  testFraction: fraction.gt(0).default(0.2).describe('share held out for testing where there is no test part'),
  workers: z.int().min(1).max(256).optional().describe('pictures decoded at a time; default: the number of processors'),
  unreadable: z.enum(['skip', 'fail']).default('fail').describe('what a file that cannot be read does to the run'),
  maxBadFraction: fraction.default(0.01).describe('with "skip": the share of unreadable files that is still accepted'),
  maxPixels: z.int().min(1).max(1e9).default(64e6).describe('pictures with more pixels are refused'),
  cacheMegabytes: z.int().min(0).max(1e6).default(512).describe('memory for decoded pictures of an image folder'),
  download: z.boolean().default(true).describe('fetch a missing data set from its official address'),
  shuffleTrain: z.boolean().default(true).describe('a new random order each epoch'),
})

/** The picture size for a data set when nobody says otherwise. */
export function defaultImageSize(dataset: DatasetName): number {
  return dataset === 'imagefolder' ? 224 : 32
}
