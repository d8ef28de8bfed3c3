/** The flat keys and flags of simple pipelines, from the YAML file to what a training does: one that were read and ignored would change nothing. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import sharp from 'sharp'
import { pipelineConfig } from '../../src/cli/session.ts'
import { resolveConfig, type ConfigRequest } from '../../src/config/index.ts'
import { runPipeline } from '../../src/phases/index.ts'
import { readHistory, type EpochRecord } from '../../src/tracking/index.ts'
import type { Ask } from '../../src/train/index.ts'
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
async function train(
  changes: Readonly<Record<string, string | null>>,
  flags: ConfigRequest = {},
  { further = [], ask = null }: { readonly further?: readonly string[]; readonly ask?: Ask | null } = {},
): Promise<Trained> {
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
  const resolved = resolveConfig({
    config,
    set: [...set, 'data.download=false', ...further],
    phases: ['train'],
    ...flags,
  })
  await runPipeline(pipelineConfig(resolved), { phases: ['train'], ask })
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

/** The rate of each epoch relative to the first. The same batches and hardly any rate: the accuracy in training stays, its loss falls. */
async function rates(lra: string): Promise<number[]> {
  const still = { shuffle_train: 'False', use_validation: 'False', learning_rate: '1e-6', num_epochs: '8' }
  const { history } = await train({ ...still, lra }, {}, { further: ['train.schedule=constant'] })
  return history.map(({ lr }) => Number((lr / 1e-6).toFixed(9)))
}

test('flat keys › lra lowers the rate by factor after patience and ends after stop_patience; threshold says what is watched', async () => {
  const one = [1, 1, 1, 1, 1, 1, 1, 1]
  assert.deepEqual(await rates('null'), one)
  // the first epoch is the best; each further one lowers the rate, the third one that does ends the training
  assert.deepEqual(await rates('{}'), [1, 1, 0.5, 0.25])
  assert.deepEqual(await rates('{ factor: 0.1 }'), [1, 1, 0.1, 0.01])
  assert.deepEqual(await rates('{ patience: 2 }'), [1, 1, 1, 0.5, 0.5, 0.25, 0.25])
  assert.deepEqual(await rates('{ stop_patience: 2 }'), [1, 1, 0.5])
  // from an accuracy of 0 on the loss counts, and it falls
  assert.deepEqual(await rates('{ threshold: 0 }'), one)
})

test('flat keys › dwell goes back to the best epoch’s weights whenever the rate is lowered', async () => {
  const still = { shuffle_train: 'False', use_validation: 'False', learning_rate: '1e-6', num_epochs: '2' }
  const weights = async (keys: Record<string, string>): Promise<string> =>
    (await train({ ...still, ...keys }, {}, { further: ['train.schedule=constant'] })).weights
  const [first, stays, goesBack] = [
    await weights({ num_epochs: '1' }),
    await weights({ lra: '{ dwell: false }' }),
    await weights({ lra: '{ dwell: true }' }),
  ]
  assert.equal(goesBack, first)
  assert.notEqual(stays, first)
})

test('flat keys › ask_epoch asks after so many epochs, and never where it is left out', async () => {
  const asked = async (epochs: string | null): Promise<readonly [lengthOfTraining: number, questions: number]> => {
    let questions = 0
    const ask = (): Promise<string> => {
      questions++
      return Promise.resolve('h')
    }
    const { history } = await train({ num_epochs: '3', ask_epoch: epochs }, {}, { ask })
    return [history.length, questions]
  }
  assert.deepEqual(await asked('1'), [1, 1])
  assert.deepEqual(await asked('2'), [2, 1])
  assert.deepEqual(await asked(null), [3, 0])
})

test('flat keys › num_workers is how many pictures are decoded at a time, at most', async () => {
  const photos = join(root, 'photos')
  for (const [label, name] of ['cat', 'dog'].entries()) {
    mkdirSync(join(photos, name), { recursive: true })
    for (let i = 0; i < 20; i++)
      await sharp({ create: { width: 24, height: 24, channels: 3, background: { r: 10 * i, g: 200 * label, b: 50 } } })
        .png()
        .toFile(join(photos, name, `${i}.png`))
  }
  const most = async (workers: string): Promise<number> => {
    let peak = 0
    const look = (length: number): void => void (peak = Math.max(peak, length))
    sharp.queue.on('change', look)
    try {
      const keys = { dataset: '"imagefolder"', dataset_directory: `"${photos}"`, num_workers: workers, num_epochs: '1' }
      await train(keys, {}, { further: ['data.cache=off'] })
    } finally {
      sharp.queue.off('change', look)
    }
    return peak
  }
  assert.equal(await most('1'), 1)
  const five = await most('5')
  assert.ok(five > 1 && five <= 5, String(five))
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
