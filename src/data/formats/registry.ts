/** Every kind of data set that `data.dataset` may name. */
import { CIFAR10, CIFAR100, openCifar } from '../cifar.ts'
import type { CifarSpec } from '../cifar.ts'
import { openDigits } from '../digits.ts'
import type { DatasetFormat } from './format.ts'
import { FASHION_MNIST, MNIST, openIdx } from './idx.ts'
import { openImageFolder } from './image-folder.ts'
import { openImageNet } from './imagenet.ts'
import { openManifest } from './manifest.ts'
import type { DatasetName } from './names.ts'
import { openWebDataset } from './webdataset.ts'

const photographs = 224

/** By name; `src/data/formats/` has a file for each kind. */
export const formats: Readonly<Record<DatasetName, DatasetFormat>> = {
  digits: {
    summary: '1,797 handwritten digits that ship with the package',
    imageSize: 32,
    inFiles: false,
    open: async ({ interpolation }, { imageSize }) => ({
      kind: 'memory',
      train: await openDigits(imageSize, interpolation),
      validation: null,
      test: null,
      statistics: null,
    }),
  },
  cifar10: cifar(CIFAR10, '60,000 pictures of 32 px in 10 classes, binary or pickle; downloaded'),
  cifar100: cifar(CIFAR100, '60,000 pictures of 32 px in 100 classes, binary or pickle; downloaded'),
  mnist: {
    summary: '70,000 handwritten digits of 28 px; downloaded',
    imageSize: 28,
    inFiles: false,
    open: (options, context) => openIdx(options, context, MNIST),
  },
  fashion_mnist: {
    summary: '70,000 pieces of clothing of 28 px; downloaded',
    imageSize: 28,
    inFiles: false,
    open: (options, context) => openIdx(options, context, FASHION_MNIST),
  },
  idx: {
    summary: 'files in the format of MNIST: train-images-idx3-ubyte(.gz) and so on',
    imageSize: 28,
    inFiles: false,
    open: (options, context) => openIdx(options, context, null),
  },
  imagefolder: {
    summary: 'class folders of pictures, with train/, val/, test/ or without',
    imageSize: photographs,
    inFiles: true,
    open: openImageFolder,
  },
  imagenet: {
    summary: 'train/<synset>/ beside a flat val/ with a file of labels',
    imageSize: photographs,
    inFiles: true,
    open: openImageNet,
  },
  manifest: {
    summary: 'a CSV or JSON-lines file of path, label and split',
    imageSize: photographs,
    inFiles: true,
    open: openManifest,
  },
  parquet: {
    summary: 'Parquet files in the image layout of Hugging Face data sets',
    imageSize: photographs,
    inFiles: true,
    // Its reader is loaded when it is used.
    open: async (options, context) => (await import('./parquet.ts')).openParquet(options, context),
  },
  webdataset: {
    summary: 'WebDataset: tar shards of <key>.jpg beside <key>.cls',
    imageSize: photographs,
    inFiles: true,
    open: openWebDataset,
  },
}

function cifar(spec: CifarSpec, summary: string): DatasetFormat {
  return {
    summary,
    imageSize: 32,
    inFiles: false,
    async open(options, context) {
      const { train, test } = await openCifar(spec, options.directory, { ...context, download: options.download })
      return { kind: 'memory', train, validation: null, test, statistics: spec }
    },
  }
}
