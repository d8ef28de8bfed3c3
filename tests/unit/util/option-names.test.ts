/** Options whose names are misspelt in plain JavaScript, at every public function that takes an object of them. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  createHead,
  createLogger,
  createModel,
  ModelLoaderStage,
  openDataset,
  openPredictor,
  PipelineOrchestrator,
  runPipeline,
  silentLogger,
  startPipeline,
  torch,
  TrainingStage,
} from '../../../src/index.ts'
import * as sweep from '../../../src/sweep/index.ts'
import { ConfigError } from '../../../src/util/errors.ts'
import { checkOptionNames } from '../../../src/util/option-names.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-options-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** As plain JavaScript would write it. */
const loose = (options: object): never => options as never

const head = { kind: 'cosine', inFeatures: 4, numClasses: 2 }
const config = { run: { directory: root }, data: { dataset: 'digits' } } as const
const space = new sweep.Space([{ name: 'lr', distribution: { type: 'float', low: 0, high: 1 } }])
const study = sweep.Study.open({ name: 'one', space })

const misspelt: readonly [name: string, meant: string, call: (options: never) => unknown][] = [
  ['phase', 'phases', (options) => runPipeline(config, options)],
  ['callback', 'callbacks', (options) => startPipeline(config, options).result],
  ['onResults', 'onResult', (options) => new PipelineOrchestrator().run(config, options)],
  ['phase', 'phases', (options) => new TrainingStage(options)],
  ['phase', 'phases', (options) => new ModelLoaderStage(options)],
  ['imagesize', 'image_size', (options) => createModel('small_cnn', options)],
  ['subCentres', 'subCenters', (options) => createHead({ ...head, ...(options as object) } as never)],
  [
    'validationFracton',
    'validationFraction',
    (options) => openDataset({ dataset: 'digits', ...(options as object) }, { seed: 0, logger: silentLogger }),
  ],
  ['batchsize', 'batchSize', (options) => openPredictor('nowhere.onnx', options)],
  ['levl', 'level', (options) => createLogger(options)],
  ['dtpye', 'dtype', (options) => torch.tensor([1], options)],
  ['devise', 'device', (options) => torch.zeros([1], options)],
  ['prunner', 'pruner', (options) => sweep.Study.open({ name: 'two', space, ...(options as object) })],
  ['worker', 'workers', async (options) => (await study).optimize(() => 1, { trials: 1, ...(options as object) })],
  ['gama', 'gamma', (options) => new sweep.TpeSampler(options)],
  ['initalStep', 'initialStep', (options) => new sweep.CmaEsSampler(options)],
  ['point', 'points', (options) => new sweep.GridSampler(options)],
  ['minResources', 'minResource', (options) => new sweep.AshaPruner(options)],
  ['maxResources', 'maxResource', (options) => new sweep.HyperbandPruner(options)],
  ['minDelt', 'minDelta', (options) => new sweep.PatientPruner(null, options)],
  ['startupTrial', 'startupTrials', (options) => new sweep.MedianPruner(options)],
  ['leaseSecond', 'leaseSeconds', (options) => new sweep.PostgresStorage('postgres://localhost/none', options)],
  ['onTornTails', 'onTornTail', (options) => new sweep.JournalStorage(join(root, 'journal.jsonl'), options)],
]

for (const [name, meant, call] of misspelt)
  test(`options › ${name} for ${meant} is refused by ${call.toString().replace('(options) => ', '').slice(0, 60)}`, async () => {
    const made = async (): Promise<unknown> => call(loose({ [name]: 1 }))
    await assert.rejects(made, (error: unknown) => {
      assert.ok(error instanceof ConfigError, String(error))
      assert.match(error.message, new RegExp(`"?${name}"?\\..* Did you mean "${meant}"\\?`))
      return true
    })
    assert.ok(!existsSync(join(root, 'snapshots')), readdirSync(root).join())
  })

test('options › expected, got and place; what is no object; one that is undefined is none the less misspelt', () => {
  const names = { threads: true, batchSize: true }
  checkOptionNames('here', { threads: undefined }, names)
  checkOptionNames('here', {}, {})
  for (const [given, words] of [
    [{ thread: undefined }, 'here: expected the options threads, batchSize, got "thread". Did you mean "threads"?'],
    [{ other: 1 }, 'here: expected the options threads, batchSize, got "other".'],
    [null, 'here: expected an object of options, got null.'],
    [['threads'], 'here: expected an object of options, got a list.'],
    ['threads', 'here: expected an object of options, got string.'],
  ] as const)
    assert.throws(
      () => checkOptionNames('here', given, names),
      (error: unknown) => error instanceof ConfigError && error.message === words,
      JSON.stringify(given),
    )
})

test('options › a section or key of a pipeline’s configuration that is misspelt is refused too', async () => {
  const run = (given: object): Promise<unknown> => runPipeline(given, { phases: ['train'] })
  await assert.rejects(run({ ...config, tarin: { epochs: 1 } }), /got "tarin"\. Did you mean "train"\?/)
  await assert.rejects(
    run({ ...config, train: { epohcs: 1 } }),
    /: train: unknown key "epohcs"\. Did you mean "epochs"\?/,
  )
  await assert.rejects(
    runPipeline(config, loose({ phases: 'train' })),
    /expected phases to be a list of names, got "train"/,
  )
  assert.ok(!existsSync(join(root, 'snapshots')))
})
