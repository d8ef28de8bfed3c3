/** What `data.dataset` may say. */
export const datasetNames: readonly [
  'digits',
  'cifar10',
  'cifar100',
  'mnist',
  'fashion_mnist',
  'idx',
  'imagefolder',
  'imagenet',
  'manifest',
  'parquet',
  'webdataset',
] = [
  'digits',
  'cifar10',
  'cifar100',
  'mnist',
  'fashion_mnist',
  'idx',
  'imagefolder',
  'imagenet',
  'manifest',
  'parquet',
  'webdataset',
]
export type DatasetName = (typeof datasetNames)[number]
