/** Configurations and command lines of simple training pipelines, as their users write them, and what they ask for. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type ConfigRequest, flatKeys, resolveConfig } from '../../../src/config/index.ts'
import { readYamlFile } from '../../../src/config/read-yaml.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-plain-'))
after(() => rmSync(folder, { recursive: true }))

const modular = `
# General Settings
batch_size: 128
device: "cuda"
num_epochs: 10
use_validation: True

# DataLoader Settings
data_augmentation: False
dataset: "cifar10"
dataset_directory: "./data"
num_workers: 2
shuffle_train: True

# Model Settings
model_name: "resnet18"
pretrained: true

# Optimizer Settings
learning_rate: 0.001
momentum: 0.9
optimizer: "sgd"

# Training Stage Settings
early_stopping: false
early_stopping_patience: 5
loss_function: "cross_entropy"
`

const adjusting = `
dataset: cifar10
model_name: small_cnn
batch_size: 64
epochs: 20
learning_rate: 0.001
freeze: true
lra: { threshold: 0.9, patience: 1, factor: 0.5, dwell: true, stop_patience: 3 }
ask_epoch: 5
`

const stopping = `
dataset: cifar10
dataset_directory: data/raw
model_name: small_cnn
batch_size: 32
num_epochs: 5
learning_rate: 0.0005
optimizer: adamw
monitor: loss
early_stopping: true
early_stopping_patience: 2
`

/** Resolved values by their dotted, camelCase paths. */
const cases: readonly [name: string, text: string | null, request: ConfigRequest, expected: Record<string, unknown>][] =
  [
    [
      'a modular pipeline with every flat key',
      modular,
      {},
      {
        ...{ device: 'cuda', 'train.batchSize': 128, 'train.epochs': 10, 'train.useValidation': true },
        ...{ 'data.dataset': 'cifar10', 'data.directory': './data', 'data.workers': 2, 'data.shuffleTrain': true },
        'train.augmentations': { randomCrop: false, horizontalFlip: false },
        ...{ 'backbone.name': 'resnet18', 'backbone.pretrained': true },
        ...{ 'train.lr': 0.001, 'train.momentum': 0.9, 'train.optimizer': 'sgd' },
        ...{ 'train.earlyStopping': false, 'train.earlyStoppingPatience': 5 },
        'train.lossFunction': 'cross_entropy',
      },
    ],
    [
      'a rate that is adjusted, a question, frozen layers',
      adjusting,
      {},
      {
        ...{ 'train.batchSize': 64, 'train.epochs': 20, 'train.freeze': true, 'train.askEpoch': 5 },
        'train.lra': { threshold: 0.9, patience: 1, factor: 0.5, dwell: true, stopPatience: 3 },
        'backbone.name': 'small_cnn',
      },
    ],
    [
      'early stopping by the validation loss',
      stopping,
      {},
      {
        ...{ 'train.batchSize': 32, 'train.epochs': 5, 'train.lr': 0.0005, 'train.optimizer': 'adamw' },
        ...{ 'train.monitor': 'loss', 'train.earlyStopping': true, 'train.earlyStoppingPatience': 2 },
        'data.directory': 'data/raw',
      },
    ],
    [
      'flags alone',
      null,
      { dataset: 'cifar100', numEpochs: 300, batchSize: 128, lr: 0.1, weightDecay: 5e-4 },
      {
        ...{ 'data.dataset': 'cifar100', 'train.epochs': 300, 'train.batchSize': 128 },
        ...{ 'train.lr': 0.1, 'train.weightDecay': 5e-4, 'train.optimizer': 'sgd', 'train.momentum': 0.9 },
      },
    ],
  ]

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce((inner, key) => (inner as Record<string, unknown>)[key], value)
}

for (const [index, [name, text, request, expected]] of cases.entries())
  test(`plain training › ${name}`, () => {
    const config = join(folder, `config-${index}.yaml`)
    if (text !== null) writeFileSync(config, text)
    const resolved = resolveConfig({ ...request, ...(text === null ? {} : { config }) })
    assert.deepEqual(resolved.phases, ['train', 'evaluate'])
    assert.deepEqual([resolved.withoutEffect, resolved.skipped], [[], []])
    for (const [path, value] of Object.entries(expected)) assert.deepEqual(at(resolved.config, path), value, path)
  })

test('plain training › together they have every flat key', () => {
  const written = [modular, adjusting, stopping].flatMap((text, index) => {
    const path = join(folder, `keys-${index}.yaml`)
    writeFileSync(path, text)
    return [...readYamlFile(path).entries.keys()]
  })
  // the short form of learning_rate, and one that only flags have above
  const missing = Object.keys(flatKeys).filter((key) => !written.includes(key))
  assert.deepEqual(missing, ['lr', 'weightDecay'])
})
