/** Every value of `augmentations` and `mix_method` that a configuration may name, in every training phase. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pipelineConfigSchema, runPipeline, trainingPhaseNames } from '../../src/phases/index.ts'
import { ConfigError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-strategies-'))
after(() => rmSync(root, { recursive: true, force: true }))

let runs = 0
type Phase = (typeof trainingPhaseNames)[number]
interface Setting {
  readonly backbone?: object
  readonly phases?: readonly Phase[]
}

/** Two steps of each phase. @returns what names the weights that each phase ended with */
async function train(optionsOf: (phase: Phase) => object, setting: Setting = {}): Promise<Map<Phase, string>> {
  const { backbone = { name: 'small_cnn', width: 8 }, phases = trainingPhaseNames } = setting
  const quick = { steps: 2, batchSize: 16, emaDecay: 0.9, useValidation: false }
  const name = `run${runs++}`
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    data: { dataset: 'digits', imageSize: 32 },
    backbone,
    ...Object.fromEntries(trainingPhaseNames.map((phase) => [phase, { ...quick, ...optionsOf(phase) }])),
  })
  const result = await runPipeline(config, { phases: [...phases] })
  assert.equal(result.outcome, 'finished')
  assert.equal(result.phases.length, phases.length)
  for (const { metrics } of result.phases) assert.equal(metrics.steps, 2)
  return new Map(phases.map((phase) => [phase, weightsOf(name, phase)]))
}

function weightsOf(run: string, phase: Phase): string {
  const folder = realpathSync(join(root, 'snapshots', run, phase, 'last'))
  const { files } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    files: Record<string, unknown>
  }
  assert.ok(files['backbone.safetensors'] !== undefined)
  return JSON.stringify(files['backbone.safetensors'])
}

async function trains(options: object, backbone?: object): Promise<void> {
  await train(() => options, backbone === undefined ? {} : { backbone })
}

describe('every training phase', () => {
  const augmentations = {
    randaugment: { numOps: 2, magnitude: 7 },
    trivialaugment: true,
    autoaugment: 'cifar10',
    augmix: true,
    cutout: true,
    randomErasing: { p: 0.25 },
  }
  for (const [key, value] of Object.entries(augmentations))
    test(`trains with ${key}`, () => trains({ augmentations: { [key]: value } }))
  for (const mixMethod of ['mixup', 'cutmix', 'fmix', 'cutout', 'tokenmix'])
    test(`trains with mix_method: ${mixMethod}`, () => trains({ mixMethod }))
  test('trains with use_manifold_mixup', () => trains({ useManifoldMixup: true }))
  test('trains a vision transformer with mix_method: mixtoken', () =>
    trains({ mixMethod: 'mixtoken' }, { name: 'vit_test' }))
})

for (const phase of trainingPhaseNames)
  test(`${phase} › mixtoken in a convolutional network is refused before anything is trained`, async () => {
    await assert.rejects(
      train(() => ({ mixMethod: 'mixtoken', steps: 1e6 }), { phases: [phase] }),
      (error: unknown) =>
        error instanceof ConfigError &&
        error.option?.join('.') === `${phase}.mixMethod` &&
        /Use cutmix/.test(error.message),
    )
  })

describe('each training phase heeds its own options', () => {
  const plain = new Map<Phase, string>()
  before(async () => {
    for (const [phase, weights] of await train(() => ({}))) plain.set(phase, weights)
  })
  const settings = [
    { augmentations: { invert: { p: 1 } } },
    { mixMethod: 'mixup' },
    { mixMethod: 'cutout' },
    { useManifoldMixup: true },
  ]
  for (const phase of trainingPhaseNames)
    for (const options of settings)
      test(`${phase} › ${JSON.stringify(options)} leads to other weights, in that phase alone`, async () => {
        const earlier = trainingPhaseNames.slice(0, trainingPhaseNames.indexOf(phase))
        const found = await train((name) => (name === phase ? options : {}), { phases: [...earlier, phase] })
        for (const name of earlier) assert.equal(found.get(name), plain.get(name), name)
        assert.notEqual(found.get(phase), plain.get(phase))
      })
})
