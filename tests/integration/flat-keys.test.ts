/** The flat keys and flags of simple pipelines, from the YAML file to what a training does: one that were read and ignored would change nothing. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pipelineConfig } from '../../src/cli/session.ts'
import { resolveConfig, type ConfigRequest } from '../../src/config/index.ts'
import { runPipeline } from '../../src/phases/index.ts'
import { readHistory, type EpochRecord } from '../../src/tracking/index.ts'
import { ConfigError, DatasetError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-flat-'))
after(() => rmSync(root, { recursive: true, force: true }))

const flat: Readonly<Record<string, string>> = {
  batch_size: '16',
  device: '"cpu"',
  num_epochs: '2',
  use_validation: 'True',
  data_augmentation: 'False',
  dataset: '"digits"',
  dataset_directory: `"${join(root, 'data')}"`,
  num_workers: '2',
  shuffle_train: 'True',
  model_name: '"resnet_test"',
  pretrained: 'false',
  learning_rate: '0.01',
  momentum: '0.9',
  optimizer: '"sgd"',
  early_stopping: 'false',
  early_stopping_patience: '5',
  loss_function: '"cross_entropy"',
}

interface Trained {
  /** SHA-256 of what was learned */
  readonly weights: string
  readonly history: readonly EpochRecord[]
}

let runs = 0

/** @param changes lines in place of the file's; null leaves one out */
async function train(changes: Readonly<Record<string, string | null>>, flags: ConfigRequest = {}): Promise<Trained> {
  const name = `run-${runs++}`
  const config = join(root, `${name}.yaml`)
  const lines = Object.entries({ ...flat, ...changes }).flatMap(([key, value]) =>
    value === null ? [] : [`${key}: ${value}`],
  )
  writeFileSync(config, lines.join('\n'))
  const set = [
    'data.subset_per_class=8',
    'data.image_size=16',
    'threads=1',
    `run.directory=${root}`,
    `run.name=${name}`,
  ]
  const resolved = resolveConfig({ config, set: [...set, 'data.download=false'], phases: ['train'], ...flags })
  await runPipeline(pipelineConfig(resolved), { phases: ['train'] })
  const last = realpathSync(join(root, 'snapshots', name, 'train', 'last'))
  const { files } = JSON.parse(readFileSync(join(last, 'manifest.json'), 'utf8')) as {
    files: Record<string, { sha256: string }>
  }
  const weights = `${files['backbone.safetensors']?.sha256} ${files['head.safetensors']?.sha256}`
  return { weights, history: await readHistory(join(root, 'logs', name)) }
}

const plain = train({})

const changes: readonly Readonly<Record<string, string | null>>[] = [
  { batch_size: '20' },
  { num_epochs: '3' },
  { data_augmentation: 'True' },
  { shuffle_train: 'False' },
  { model_name: '"small_cnn"' },
  { learning_rate: '0.1' },
  { momentum: '0.5' },
  { optimizer: '"adamw"', momentum: null },
  { loss_function: '"focal"' },
  { weight_decay: '0.5' },
  { freeze: 'true' },
]

for (const change of changes)
  test(`flat keys › ${JSON.stringify(change)} gives other weights`, async () => {
    assert.notEqual((await train(change)).weights, (await plain).weights)
  })

for (const flags of [{ numEpochs: 3 }, { batchSize: 20 }, { lr: 0.1 }, { weightDecay: 0.5 }])
  test(`flat keys › the flag ${JSON.stringify(flags)} is heard before the file`, async () => {
    assert.notEqual((await train({}, flags)).weights, (await plain).weights)
  })

test('flat keys › the same file gives the same weights, however many workers read', async () => {
  assert.equal((await train({})).weights, (await plain).weights)
  assert.equal((await train({ num_workers: '1' })).weights, (await plain).weights)
})

test('flat keys › use_validation measures after each epoch, or never', async () => {
  const measured = (await plain).history.map((record) => record.val_loss !== null)
  const unmeasured = (await train({ use_validation: 'False' })).history.map((record) => record.val_loss !== null)
  assert.deepEqual(
    [measured, unmeasured],
    [
      [true, true],
      [false, false],
    ],
  )
})

test('flat keys › early_stopping ends a training that does not improve, after its patience', async () => {
  // A rate of nearly nothing: from the first epoch on the accuracy stays.
  const still = { learning_rate: '1e-12', num_epochs: '6' }
  const lengths = [
    {},
    { early_stopping: 'true', early_stopping_patience: '1' },
    { early_stopping: 'true', early_stopping_patience: '3' },
  ]
  const epochs = []
  for (const keys of lengths) epochs.push((await train({ ...still, ...keys })).history.length)
  assert.equal(epochs[0], 6)
  assert.ok(Number(epochs[1]) < Number(epochs[2]) && Number(epochs[2]) < 6, epochs.join())
})

test('flat keys › device, dataset, its directory and pretrained ask for what is not there by name', async () => {
  await assert.rejects(
    train({ device: '"cuda:99"' }),
    (error: unknown) => error instanceof Error && /cuda/i.test(error.message),
  )
  const elsewhere = join(root, 'elsewhere')
  await assert.rejects(train({ dataset: '"cifar10"', dataset_directory: `"${elsewhere}"` }), (error: unknown) => {
    assert.ok(error instanceof DatasetError, String(error))
    assert.ok(error.message.includes(elsewhere) && /cifar-?10/i.test(error.message), error.message)
    return true
  })
  await assert.rejects(train({ pretrained: 'true' }), (error: unknown) => {
    assert.ok(error instanceof ConfigError, String(error))
    assert.match(error.message, /resnet_test/)
    return true
  })
})
