/** Keys of the evaluation, from the configuration to the files it leaves: one that were read and ignored would leave equal bytes. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { torch } from '../../src/binding/index.ts'
import { loadScores } from '../../src/evaluation/index.ts'
import {
  pipelineConfigSchema,
  pipelineFor,
  runPipeline,
  type PhaseName,
  type PipelineConfig,
  type PipelineConfigInput,
} from '../../src/phases/index.ts'
import { ConfigError } from '../../src/util/errors.ts'
import { softmax } from '../../src/util/softmax.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-evaluate-'))
after(() => rmSync(root, { recursive: true, force: true }))

function config(changes: PipelineConfigInput = {}): PipelineConfig {
  const base: Record<string, object> = {
    run: { name: 'run', directory: root },
    data: { dataset: 'digits', imageSize: 16, subsetPerClass: 30 },
    backbone: { name: 'small_cnn', width: 4 },
    train: { epochs: 3, batchSize: 50, lr: 0.02, useValidation: false },
  }
  for (const [key, value] of Object.entries(changes)) base[key] = { ...base[key], ...(value as object) }
  return pipelineConfigSchema.parse({ ...base, device: 'cpu' })
}

const run = (phases: PhaseName[], changes: PipelineConfigInput = {}) => runPipeline(config(changes), { phases })

/** Every file of an evaluation with these options, as text. */
async function evaluation(
  evaluate: PipelineConfigInput['evaluate'] = {},
  changes: PipelineConfigInput = {},
): Promise<Map<string, string>> {
  await run(['evaluate'], { ...changes, evaluate })
  return files()
}

function files(): Map<string, string> {
  const folder = join(root, 'eval_results', 'run')
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]))
}

/** Of the newest evaluation: flat [N, 10]. */
async function probabilities(): Promise<Float64Array> {
  const { logits } = await loadScores(join(root, 'eval_results', 'run', 'scores.safetensors'))
  return softmax(logits, 10)
}

function assertNear(actual: Float64Array, expected: Float64Array, tolerance = 1e-5): void {
  assert.equal(actual.length, expected.length)
  actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < tolerance, `${i}: ${value}, ${expected[i]}`))
}

let plain: Map<string, string>
let alone: Float64Array
before(async () => {
  await run(['train'])
  plain = await evaluation()
  alone = await probabilities()
})

describe('evaluate keys › tta_runs', () => {
  const flips = { ttaAugmentations: { horizontalFlip: { p: 1 } } }
  const mirrors = { train: { augmentations: { horizontalFlip: true } } }

  it('of 1 is plain evaluation, byte for byte', async () => {
    assert.deepEqual(await evaluation({ ttaRuns: 1 }), plain)
  })

  it('gives the mean of the probabilities and of the energies of its views', async () => {
    await evaluation({ ttaRuns: 2, ...flips })
    const both = await probabilities()
    const { logits } = await loadScores(join(root, 'eval_results', 'run', 'scores.safetensors'))
    const turned = pipelineFor(['evaluate'], config()).addStage(
      { name: 'mirror', run: async (context) => void (context.data = mirroredData(context.data!)) },
      { after: 'data' },
    )
    await turned.run(config())
    const mirrored = await probabilities()
    assert.ok(mirrored.some((value, i) => Math.abs(value - alone[i]!) > 0.1))
    assertNear(
      both,
      alone.map((value, i) => (value + mirrored[i]!) / 2),
    )
    const energies = (csv: string): number[] => {
      const [head = '', ...rows] = csv.trim().split('\n')
      const column = head.split(',').indexOf('energy')
      return rows.map((row) => Number(row.split(',')[column]))
    }
    const [one, other] = [energies(plain.get('predictions.csv')!), energies(files().get('predictions.csv')!)]
    one.forEach((energy, row) => {
      const own = Math.log(logits.subarray(row * 10, row * 10 + 10).reduce((sum, value) => sum + Math.exp(value), 0))
      assert.ok(Math.abs(-own - (energy + other[row]!) / 2) < 1e-4)
    })
  })

  it('moves without mirroring where no phase mirrors, and mirrors second where one does', async () => {
    const moved = await evaluation({ ttaRuns: 2 })
    assert.notEqual(moved.get('predictions.csv'), plain.get('predictions.csv'))
    const mirrored = await evaluation({ ttaRuns: 2 }, mirrors)
    assert.notEqual(mirrored.get('predictions.csv'), moved.get('predictions.csv'))
    assert.deepEqual(mirrored, await evaluation({ ttaRuns: 2, ...flips }))
  })

  it('says how many in metrics.json, and each more changes what is found', async () => {
    const three = await evaluation({ ttaRuns: 3 })
    assert.match(three.get('metrics.json')!, /"tta_runs": 3\n/)
    const four = await evaluation({ ttaRuns: 4 })
    assert.match(four.get('metrics.json')!, /"tta_runs": 4\n/)
    assert.notEqual(four.get('predictions.csv'), three.get('predictions.csv'))
    assert.deepEqual(await evaluation({ ttaRuns: 4 }), four)
    assert.deepEqual([...four.keys()], [...plain.keys()])
  })

  it('does not depend on the batch size, and goes with an ensemble', async () => {
    await evaluation({ ttaRuns: 3 })
    const expected = await probabilities()
    await evaluation({ ttaRuns: 3, batchSize: 7 })
    assertNear(await probabilities(), expected)
    const best = join(root, 'snapshots', 'run', 'train', 'best')
    await evaluation({ ttaRuns: 3, ensemble: [best, best] })
    assertNear(await probabilities(), expected)
  })

  it('with augmentations that cannot be made is an error before anything is trained', async () => {
    const both = { randomCrop: true, randomResizedCrop: true }
    await assert.rejects(
      run(['train', 'evaluate'], { run: { name: 'none' }, evaluate: { ttaRuns: 2, ttaAugmentations: both } }),
      (error) => error instanceof ConfigError && /^evaluate\.tta_augmentations: .*both/.test(error.message),
    )
    assert.ok(!readdirSync(join(root, 'snapshots')).includes('none'))
  })
})

it('evaluate keys › no tensor is left', () => assert.equal(torch.liveTensors(), 0))

/** The same data with every test picture mirrored left and right. */
function mirroredData<
  D extends { test: { height: number; width: number; read(...given: never[]): Promise<Uint8Array> } },
>(data: D): D {
  const { height, width } = data.test
  const test = Object.create(data.test, {
    read: {
      value: async (...given: never[]): Promise<Uint8Array> => {
        const pixels = await data.test.read(...given)
        const turned = new Uint8Array(pixels.length)
        for (let at = 0; at < pixels.length / 3; at++) {
          const column = at % width
          const from = at - column + (width - 1 - column)
          turned.set(pixels.subarray(from * 3, from * 3 + 3), at * 3)
        }
        assert.equal(pixels.length % (height * width * 3), 0)
        return turned
      },
    },
  }) as D['test']
  return { ...data, test }
}
