/** Every key of the optimisation toolkit, from the configuration to the weights: one that were read and ignored would leave equal bits. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pipelineConfigSchema, runPipeline, type PipelineConfig } from '../../src/phases/index.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-keys-'))
after(() => rmSync(root, { recursive: true, force: true }))

type Changes = Partial<Record<keyof PipelineConfig['train'], unknown>>

interface Trained {
  /** SHA-256 of the weights, of their average, and the steps */
  readonly weights: string
  readonly average: string | undefined
  readonly step: number
  readonly epochs: number
}

let runs = 0
const trained = new Map<string, Promise<Trained>>()

function train(changes: Changes): Promise<Trained> {
  const key = JSON.stringify(changes)
  const known = trained.get(key) ?? run(changes)
  trained.set(key, known)
  return known
}

async function run(changes: Changes): Promise<Trained> {
  const name = `run-${runs++}`
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    data: { dataset: 'digits', imageSize: 8, subsetPerClass: 12 },
    backbone: { name: 'small_cnn', width: 4 },
    train: { epochs: 2, batchSize: 20, lr: 0.02, weightDecay: 0.05, useValidation: false, ...changes },
    device: 'cpu',
  })
  await runPipeline(config, { phases: ['train'] })
  const last = realpathSync(join(root, 'snapshots', name, 'train', 'last'))
  const read = (file: string): unknown => JSON.parse(readFileSync(join(last, file), 'utf8'))
  const { files } = read('manifest.json') as { files: Record<string, { sha256: string }> }
  const { step, epoch } = read('state.json') as { step: number; epoch: number }
  const weights = `${files['backbone.safetensors']?.sha256} ${files['head.safetensors']?.sha256}`
  return { weights, average: files['ema_backbone.safetensors']?.sha256, step, epochs: epoch }
}

/** What is set, beside what else, and how the weights differ from those of the rest alone. */
const cases: readonly [changes: Changes, beside?: Changes][] = [
  [{ optimizer: 'sgd' }],
  [{ optimizer: 'lamb' }],
  [{ optimizer: 'lion' }],
  [{ optimizer: 'muon' }],
  [{ momentum: 0.5 }, { optimizer: 'sgd' }],
  [{ nesterov: false }, { optimizer: 'sgd' }],
  [{ momentum: 0.5 }, { optimizer: 'muon' }],
  [{ nesterov: false }, { optimizer: 'muon' }],
  [{ beta1: 0.5 }],
  [{ beta2: 0.5 }],
  [{ lr: 0.01 }],
  [{ weightDecay: 0.5 }],
  [{ decayNormsAndBiases: true }],
  [{ layerDecay: 0.5 }],
  [{ sam: true }],
  [{ sam: { rho: 0.2 } }, { sam: true }],
  [{ sam: { adaptive: true } }, { sam: true }],
  [{ sam: { adaptive: true, eta: 0.5 } }, { sam: { adaptive: true } }],
  [{ lookahead: true }],
  [{ lookahead: { k: 2 } }, { lookahead: true }],
  [{ lookahead: { alpha: 0.9 } }, { lookahead: true }],
  [{ gradientCentralization: 'all' }],
  [{ gradientCentralization: 'conv' }],
  [{ gradClip: 0.01 }],
  [{ gradClip: 0.01, gradClipMode: 'value' }, { gradClip: 0.01 }],
  [{ gradClip: 0.01, gradClipMode: 'adaptive' }, { gradClip: 0.01 }],
  [{ accumulation: 2 }],
  [{ batchSize: 30 }],
  [{ schedule: 'constant' }],
  [{ schedule: 'polynomial' }],
  [{ schedule: { kind: 'polynomial', power: 2 } }, { schedule: 'polynomial' }],
  [{ schedule: 'exponential', finalLrFraction: 0.1 }],
  [{ schedule: { kind: 'step', everySteps: 3 } }, { schedule: 'constant' }],
  [{ schedule: { kind: 'step', everySteps: 3, factor: 0.5 } }, { schedule: { kind: 'step', everySteps: 3 } }],
  [{ schedule: { kind: 'step', everyExamples: 80 } }, { schedule: { kind: 'step', everySteps: 3 } }],
  [{ schedule: { kind: 'multistep', milestonesSteps: [2] } }, { schedule: 'constant' }],
  [{ schedule: { kind: 'cosine_restarts', cycleSteps: 3 } }],
  [
    { schedule: { kind: 'cosine_restarts', cycleSteps: 3, cycleDecay: 0.5 } },
    { schedule: { kind: 'cosine_restarts', cycleSteps: 3 } },
  ],
  [
    { schedule: { kind: 'cosine_restarts', cycleSteps: 3, cycleMultiplier: 2 } },
    { schedule: { kind: 'cosine_restarts', cycleSteps: 3 } },
  ],
  [{ schedule: 'onecycle' }],
  [{ schedule: { kind: 'onecycle', riseFraction: 0.6 } }, { schedule: 'onecycle' }],
  [{ schedule: { kind: 'onecycle', initialFraction: 0.5 } }, { schedule: 'onecycle' }],
  [{ finalLrFraction: 0.5 }],
  [{ warmupEpochs: 1 }],
  [{ warmupSteps: 3 }],
  [{ warmupExamples: 80 }],
  [{ precision: 'bfloat16' }],
  [{ precision: 'float16' }],
  [{ freeze: true }],
]

for (const [changes, beside = {}] of cases)
  test(`toolkit keys › ${JSON.stringify(changes)} beside ${JSON.stringify(beside)}`, async () => {
    const [own, other] = [await train({ ...beside, ...changes }), await train(beside)]
    assert.notEqual(own.weights, other.weights)
  })

test('toolkit keys › plateau cuts the rate of a validation that does not improve', async () => {
  const common = { epochs: 4, useValidation: true, monitor: 'loss', lr: 0.5 }
  const plateau = { kind: 'plateau', patience: 0, threshold: 0.9 }
  const flat = await train({ ...common, schedule: 'constant' })
  const cut = await train({ ...common, schedule: plateau })
  assert.notEqual(cut.weights, flat.weights)
  for (const change of [{ patience: 1 }, { factor: 0.7 }, { threshold: 0 }])
    assert.notEqual(
      (await train({ ...common, schedule: { ...plateau, ...change } })).weights,
      cut.weights,
      JSON.stringify(change),
    )
})

test('toolkit keys › averages are kept, and say how', async () => {
  const none = await train({})
  assert.equal(none.average, undefined)
  const averages = []
  for (const changes of [
    { emaDecay: 0.9 },
    { emaDecay: 0.3 },
    { swa: { start: 0 } },
    { swa: { start: 0.5 } },
    { swa: { start: 0, statisticsBatches: 1 } },
  ]) {
    const { average, weights } = await train(changes)
    assert.equal(weights, none.weights, 'an average changes no weights')
    averages.push(average)
  }
  assert.equal(new Set([undefined, ...averages]).size, averages.length + 1, averages.join('\n'))
  assert.notEqual((await train({ swa: { start: 0.5, lrFraction: 0.5 } })).weights, none.weights)
})

test('toolkit keys › the three lengths', async () => {
  const { step, epochs } = await train({})
  assert.equal(epochs, 2)
  assert.equal((await train({ epochs: 3 })).step, (step / 2) * 3)
  assert.equal((await train({ epochs: null, steps: 4 })).step, 4)
  assert.equal((await train({ epochs: null, examples: 61 })).step, 4)
  assert.equal((await train({ accumulation: 2 })).step, 2 * Math.ceil(step / 2 / 2))
})
