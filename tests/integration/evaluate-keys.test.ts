/** Keys of the evaluation, from the configuration to the files it leaves: one that were read and ignored would leave equal bytes. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { evaluationPlan } from '../../src/augment/index.ts'
import { torch } from '../../src/binding/index.ts'
import type { Dataset } from '../../src/data/index.ts'
import { loadScores, type Scores } from '../../src/evaluation/index.ts'
import {
  MahalanobisDetector,
  VimDetector,
  type DetectorInput,
  type DetectorTrainingInput,
} from '../../src/ood/index.ts'
import {
  pipelineConfigSchema,
  pipelineFor,
  runPipeline,
  type PipelineConfig,
  type PipelineConfigInput,
  type StageContext,
} from '../../src/phases/index.ts'
import { loadNetworks } from '../../src/phases/networks.ts'
import { readSnapshot } from '../../src/snapshot/index.ts'
import { forwardNetworks } from '../../src/train/index.ts'
import { parseCsv } from '../../src/util/csv.ts'
import { ConfigError } from '../../src/util/errors.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { softmax } from '../../src/util/softmax.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-evaluate-'))
after(() => rmSync(root, { recursive: true, force: true }))

type Evaluate = NonNullable<PipelineConfigInput['evaluate']>
type Data = NonNullable<StageContext['data']>
type TestChange = (data: Data) => Data

function config(evaluate: Evaluate = {}, train: PipelineConfigInput['train'] = {}): PipelineConfig {
  return pipelineConfigSchema.parse({
    run: { name: 'run', directory: root },
    data: { dataset: 'digits', imageSize: 16, subsetPerClass: 30 },
    backbone: { name: 'small_cnn', width: 4 },
    train: { epochs: 3, batchSize: 50, lr: 0.02, useValidation: false, ...train },
    arcface: { epochs: 2, batchSize: 50, lr: 0.01, scale: 16, initFrom: null },
    evaluate,
    device: 'cpu',
  })
}

interface Evaluated {
  /** every file, as text */
  readonly files: ReadonlyMap<string, string>
  readonly scores: Scores
}

const done = new Map<string, Promise<Evaluated>>()
let latest: Promise<unknown> = Promise.resolve()

/** What an evaluation with these options leaves; one that was asked for before is not run again. */
function evaluated(
  evaluate: Evaluate = {},
  train: PipelineConfigInput['train'] = {},
  test?: TestChange,
): Promise<Evaluated> {
  const key = JSON.stringify([evaluate, train, test?.name])
  const known = done.get(key) ?? run(evaluate, train, test)
  done.set(key, known)
  return known
}

async function run(evaluate: Evaluate, train: PipelineConfigInput['train'], test?: TestChange): Promise<Evaluated> {
  const given = config(evaluate, train)
  const pipeline = pipelineFor(['evaluate'], given)
  const change =
    test === undefined ? null : { name: 'change', run: async (c: StageContext) => void (c.data = test(c.data!)) }
  if (change !== null) pipeline.addStage(change, { after: 'data' })
  const started = latest.then(() => pipeline.run(given))
  latest = started
  await started
  const folder = join(root, 'eval_results', 'run')
  return {
    files: new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')])),
    scores: await loadScores(join(folder, 'scores.safetensors')),
  }
}

const probabilities = ({ scores }: Evaluated): Float64Array => softmax(scores.logits, 10)

/** A column of predictions.csv. */
function column({ files }: Evaluated, name: string): number[] {
  const [header = [], ...rows] = parseCsv(files.get('predictions.csv')!)
  assert.ok(header.includes(name), name)
  return rows.map((row) => Number(row[header.indexOf(name)]))
}

const metricsOf = ({ files }: Evaluated): Record<string, number> =>
  JSON.parse(files.get('metrics.json')!) as Record<string, number>

function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!]
    assert.ok(Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e)), `${i}: expected ${e}, got ${a}`)
  }
}

let plain: Evaluated
before(async () => {
  await runPipeline(config(), { phases: ['train'] })
  plain = await evaluated()
})

describe('evaluate keys › tta_runs', () => {
  const flips = { ttaAugmentations: { horizontalFlip: { p: 1 } } }

  it('of 1 is plain evaluation, byte for byte', async () => {
    assert.deepEqual((await evaluated({ ttaRuns: 1 })).files, plain.files)
  })

  it('gives the mean of the probabilities and of the energies of its views', async () => {
    const both = await evaluated({ ttaRuns: 2, ...flips })
    const mirrored = await evaluated({}, {}, mirroredData)
    const [one, other] = [probabilities(plain), probabilities(mirrored)]
    assert.ok(one.some((value, i) => Math.abs(value - other[i]!) > 0.1))
    assertNear(
      probabilities(both),
      one.map((value, i) => (value + other[i]!) / 2),
    )
    const energies = column(mirrored, 'energy')
    assertNear(
      column(both, 'energy'),
      column(plain, 'energy').map((energy, i) => (energy + energies[i]!) / 2),
      1e-4,
    )
  })

  it('moves without mirroring where no phase mirrors, and mirrors second where one does', async () => {
    const moved = await evaluated({ ttaRuns: 2 })
    assert.notDeepEqual(moved.scores.logits, plain.scores.logits)
    const mirrored = await evaluated({ ttaRuns: 2 }, { augmentations: { horizontalFlip: true } })
    assert.notDeepEqual(mirrored.scores.logits, moved.scores.logits)
    assert.deepEqual(mirrored.files, (await evaluated({ ttaRuns: 2, ...flips })).files)
  })

  it('says how many in metrics.json, and each more changes what is found', async () => {
    const [two, three] = [await evaluated({ ttaRuns: 2 }), await evaluated({ ttaRuns: 3 })]
    assert.deepEqual(
      [plain, two, three].map((one) => metricsOf(one)['tta_runs']),
      [undefined, 2, 3],
    )
    assert.notDeepEqual(three.scores.logits, two.scores.logits)
    assert.deepEqual([...three.files.keys()], [...plain.files.keys()])
  })

  it('does not depend on the batch size, and goes with an ensemble', async () => {
    const expected = probabilities(await evaluated({ ttaRuns: 3 }))
    assertNear(probabilities(await evaluated({ ttaRuns: 3, batchSize: 7 })), expected)
    const best = join(root, 'snapshots', 'run', 'train', 'best')
    assertNear(probabilities(await evaluated({ ttaRuns: 3, ensemble: [best, best] })), expected)
  })

  it('with augmentations that cannot be made is an error before anything is trained', async () => {
    const both = { ttaRuns: 2, ttaAugmentations: { randomCrop: true, randomResizedCrop: true } }
    const given = { ...config(both), run: { ...config().run, name: 'none' } }
    await assert.rejects(
      runPipeline(given, { phases: ['train', 'evaluate'] }),
      (error) => error instanceof ConfigError && /^evaluate\.tta_augmentations: .*both/.test(error.message),
    )
    assert.ok(!readdirSync(join(root, 'snapshots')).includes('none'))
  })
})

/** Scores that are those of detectors fitted by themselves. */
async function assertDetected(
  novelty: NonNullable<Scores['novelty']>,
  vim: VimDetector,
  train: DetectorTrainingInput,
  test: DetectorInput,
): Promise<void> {
  for (const [name, detector] of [
    ['mahalanobis', new MahalanobisDetector()],
    ['vim', vim],
  ] as const) {
    await detector.fit(train)
    assertNear(
      novelty[name]!,
      (await detector.score(test)).map((score) => -score),
      1e-3,
    )
  }
}

describe('evaluate keys › compute_mahalanobis and compute_vim', () => {
  const wanted = { computeMahalanobis: true, computeVim: true }
  const names = ['mahalanobis', 'vim'] as const

  it('leave all else as it is; each has its column, its numbers and its scores', async () => {
    const both = await evaluated(wanted)
    for (const [key, value] of Object.entries(metricsOf(plain))) assert.equal(metricsOf(both)[key], value, key)
    assert.deepEqual(both.scores.logits, plain.scores.logits)
    for (const name of names) {
      const values = [...both.scores.novelty![name]!]
      assert.deepEqual(
        column(both, name),
        values.map((value) => Number(value.toPrecision(7))),
      )
      const { [`${name}_q05`]: low, [`${name}_median`]: middle, [`${name}_q95`]: high } = metricsOf(both)
      assert.ok(low! < middle! && middle! < high!)
      assert.ok(!plain.files.get('metrics.json')!.includes(name) && !plain.files.get('predictions.csv')!.includes(name))
    }
  })

  it('are what the detectors say that were fitted to the training part, behind a linear head', async () => {
    const { train, test, state } = await outputsOf('run', 'train')
    const classifier = {
      weight: { values: state.get('fc.weight')!, columns: train.features!.columns },
      bias: state.get('fc.bias')!,
    }
    const { novelty } = (await evaluated(wanted)).scores
    await assertDetected(novelty!, new VimDetector({ classifier }), train, test)
  })

  it('and behind a cosine head, where ViM reads features of length 1 about 0', async () => {
    await runPipeline({ ...config(), run: { ...config().run, name: 'arc' } }, { phases: ['arcface'] })
    const { train, test } = await outputsOf('arc', 'arcface')
    const model = join(root, 'snapshots', 'arc', 'arcface', 'best')
    const { novelty } = (await evaluated({ ...wanted, model })).scores
    await assertDetected(novelty!, new VimDetector({ normalize: true }), train, test)
  })

  it('each variant changes its own scores', async () => {
    const base = (await evaluated(wanted)).scores.novelty!
    const normal = (await evaluated({ ...wanted, mahalanobisNormalize: true, vimDimension: 3 })).scores.novelty!
    const relative = (await evaluated({ ...wanted, mahalanobisRelative: true })).scores.novelty!
    assert.notDeepEqual(normal.mahalanobis, base.mahalanobis)
    assert.notDeepEqual(normal.vim, base.vim)
    assert.notDeepEqual(relative.mahalanobis, base.mahalanobis)
    assert.deepEqual(relative.vim, base.vim)
  })

  it('find noise farther than test pictures', async () => {
    const [known, noise] = [await evaluated(wanted), await evaluated(wanted, {}, noiseInstead)]
    for (const name of names) {
      const [inside, outside] = [known.scores.novelty![name]!, noise.scores.novelty![name]!]
      let wins = 0
      for (const a of inside) for (const b of outside) wins += a < b ? 1 : a === b ? 0.5 : 0
      const auroc = wins / (inside.length * outside.length)
      assert.ok(auroc > 0.7, `${name}: AUROC ${auroc}`)
    }
  })

  it('read the picture itself where there are several views', async () => {
    const [one, many] = [await evaluated(wanted), await evaluated({ ...wanted, ttaRuns: 3 })]
    for (const name of names) assertNear(many.scores.novelty![name]!, one.scores.novelty![name]!, 1e-3)
    assert.deepEqual(many.scores.logits, (await evaluated({ ttaRuns: 3 })).scores.logits)
  })

  it('say by name what they cannot work with', async () => {
    await assert.rejects(
      evaluated({ computeVim: true, vimDimension: 500 }),
      (error) =>
        error instanceof ConfigError && /evaluate\.vim_dimension: expected less than .* got 500/.test(error.message),
    )
  })
})

it('evaluate keys › no tensor is left', () => assert.equal(torch.liveTensors(), 0))

/** Features and logits of the training and the test part by the snapshot of a phase, and its head's weights. */
async function outputsOf(name: string, phase: 'train' | 'arcface') {
  const parts: StageContext[] = []
  const keep = { name: 'keep', run: async (context: StageContext) => void parts.push(context) }
  const given = config()
  await pipelineFor(['evaluate'], given).addStage(keep, { before: 'evaluation' }).run(given)
  const { data, createBackbone } = parts[0]!
  const snapshot = await readSnapshot(join(root, 'snapshots', name, phase, 'best'))
  const context = { createBackbone: createBackbone!, device: 'cpu', seed: 0, logger: silentLogger }
  const { pair, spec } = await loadNetworks(snapshot, true, context)
  const outputs = async (dataset: Dataset): Promise<DetectorTrainingInput> =>
    torch.noGrad(() =>
      torch.scope(async () => {
        const { height, width, length } = dataset
        const pixels = await dataset.read(Array.from({ length }, (_, i) => i))
        const plan = evaluationPlan({ ...spec, inputHeight: height, inputWidth: width })
        const ids = torch.tensor(BigInt64Array.from({ length }, (_, i) => BigInt(i)))
        const images = await plan.apply(torch.tensor(pixels, { shape: [length, height, width, 3] }), ids, { epoch: 0 })
        const { features, outputs: raw } = await forwardNetworks(pair, images, 'float32')
        const logits = torch.ops.mul(raw, spec.logitScale)
        const matrix = (tensor: typeof logits) => ({ values: tensor.data() as Float32Array, columns: tensor.shape[1]! })
        return { labels: dataset.labels, features: matrix(features), logits: matrix(logits) }
      }),
    )
  try {
    const [train, test] = [await outputs(data!.train), await outputs(data!.test)]
    const state = torch.scope(
      () => new Map(Array.from(pair.head.stateDict(), ([name, tensor]) => [name, tensor.data() as Float32Array])),
    )
    return { train, test, state }
  } finally {
    pair.dispose()
  }
}

/** The same data with test pictures that are made from its own. */
function withTest({ test, ...data }: Data, change: (pixels: Uint8Array, width: number) => Uint8Array): Data {
  const read = async (...given: Parameters<typeof test.read>) => change(await test.read(...given), test.width)
  return { ...data, test: Object.create(test, { read: { value: read } }) as typeof test }
}

function mirroredData(data: Data): Data {
  return withTest(data, (pixels, width) => {
    const turned = new Uint8Array(pixels.length)
    for (let at = 0; at < pixels.length / 3; at++) {
      const column = at % width
      const from = at - column + (width - 1 - column)
      turned.set(pixels.subarray(from * 3, from * 3 + 3), at * 3)
    }
    return turned
  })
}

function noiseInstead(data: Data): Data {
  let state = 1
  return withTest(data, (pixels) => pixels.map(() => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24))
}
