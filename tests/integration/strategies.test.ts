/** Every value of `augmentations` and `mix_method` that a configuration may name, in every training phase. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { pipelineConfigSchema, runPipeline, trainingPhaseNames } from '../../src/phases/index.ts'
import { ConfigError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-strategies-'))
after(() => rmSync(root, { recursive: true, force: true }))

let runs = 0
/** Two steps of each phase with the same options. */
async function trains(
  options: object,
  backbone: object = { name: 'small_cnn', width: 8 },
  phases = trainingPhaseNames,
) {
  const quick = { steps: 2, batchSize: 16, emaDecay: 0.9, useValidation: false, ...options }
  const config = pipelineConfigSchema.parse({
    run: { name: `run${runs++}`, directory: root },
    device: 'cpu',
    data: { dataset: 'digits', imageSize: 32 },
    backbone,
    ...Object.fromEntries(trainingPhaseNames.map((name) => [name, quick])),
  })
  const result = await runPipeline(config, { phases: [...phases] })
  assert.equal(result.outcome, 'finished')
  assert.equal(result.phases.length, phases.length)
  for (const { metrics } of result.phases) assert.equal(metrics.steps, 2)
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
      trains({ mixMethod: 'mixtoken', steps: 1e6 }, undefined, [phase]),
      (error: unknown) =>
        error instanceof ConfigError &&
        error.option?.join('.') === `${phase}.mixMethod` &&
        /Use cutmix/.test(error.message),
    )
  })
