import assert from 'node:assert/strict'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readSafetensors, torch } from '../../src/binding/index.ts'
import {
  AugmentationStage,
  DataLoaderStage,
  EvaluationStage,
  ModelLoaderStage,
  PipelineOrchestrator,
  pipelineConfigSchema,
  runPipeline,
  TrainingStage,
  VisualizationStage,
  type PhaseName,
  type PipelineConfigInput,
  type PipelineResult,
} from '../../src/phases/index.ts'
import { openPredictor } from '../../src/predict/index.ts'
import { DatasetError, SnapshotError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-digits-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** Digits at 16 px with a thin network: a phase takes a second or two. */
function config(name: string, changes: PipelineConfigInput = {}): ReturnType<typeof pipelineConfigSchema.parse> {
  const quick = { epochs: 2, batchSize: 64, emaDecay: 0.9 }
  const base: Record<string, object> = {
    run: { name, directory: root },
    data: { dataset: 'digits', imageSize: 16 },
    backbone: { name: 'small_cnn', width: 8 },
    train: { ...quick, lr: 4e-3 },
    supcon: { ...quick, lr: 4e-3 },
    arcface: { ...quick, lr: 4e-3, margin: 0.2, scale: 16 },
    distill: { ...quick, lr: 2e-3, scale: 16 },
    export: { probes: 8 },
  }
  for (const [key, value] of Object.entries(changes)) base[key] = { ...base[key], ...(value as object) }
  return pipelineConfigSchema.parse({ ...base, device: 'cpu', ...('seed' in changes ? { seed: changes.seed } : {}) })
}

const run = (name: string, phases: PhaseName[], changes: PipelineConfigInput = {}): Promise<PipelineResult> =>
  runPipeline(config(name, changes), { phases })
const snapshots = (...path: string[]): string => join(root, 'snapshots', ...path)
const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
const sums = (path: string): unknown => json(join(path, 'manifest.json'))['files']

let curriculum: PipelineResult
before(async () => {
  curriculum = await run('whole', ['supcon', 'arcface', 'distill', 'evaluate', 'export'])
})

test('digits › the curriculum runs to its end, learns, and leaves every promised file', () => {
  assert.equal(curriculum.outcome, 'finished')
  assert.deepEqual(
    curriculum.phases.map(({ phase }) => phase),
    ['supcon', 'arcface', 'distill', 'evaluate', 'export'],
  )
  const metrics = json(join(root, 'eval_results', 'whole', 'metrics.json'))
  assert.ok(Number(metrics['top1']) > 0.8, `top-1 ${String(metrics['top1'])}`)
  assert.equal(metrics['samples'], 359)
  for (const file of ['classification_report.csv', 'predictions.csv', 'confusion-matrix.png', 'loss-curve.png'])
    assert.ok(existsSync(join(root, 'eval_results', 'whole', file)), file)
  for (const file of ['supcon.csv', 'arcface.csv', 'distill.csv', 'metrics.jsonl'])
    assert.ok(existsSync(join(root, 'logs', 'whole', file)), file)
  for (const phase of ['supcon', 'arcface', 'distill']) {
    const found = readdirSync(snapshots('whole', phase, 'best')).sort()
    const parts = ['backbone', 'ema_backbone', 'ema_head', 'head', 'optimizer'].map((part) => `${part}.safetensors`)
    assert.deepEqual(found, [...parts, 'manifest.json', 'state.json'].sort(), phase)
  }
  assert.deepEqual(readdirSync(snapshots('whole', 'export')).sort(), ['model.onnx', 'model.torchscript.pt'])
  assert.ok(existsSync(snapshots('whole', 'config.json')) && existsSync(snapshots('whole', 'split.json')))
})

test('digits › the ONNX file agrees with the native model, and predicts', async () => {
  const exported = curriculum.phases.at(-1)!
  assert.equal(exported.metrics['top1Agreement'], 1)
  assert.ok(exported.metrics['maxAbsoluteDifference']! < 1e-3)
  const predictor = await openPredictor(snapshots('whole'))
  try {
    const [blank] = await predictor.predict([new Uint8Array(16 * 16 * 3)])
    assert.equal(blank?.probabilities.length, 10)
  } finally {
    await predictor.dispose()
  }
})

test('digits › no tensor is left when a pipeline has ended', () => {
  assert.equal(torch.liveTensors(), 0)
})

test('digits › evaluate alone measures the run that was trained, with the same result', async () => {
  const again = await run('whole', ['evaluate'])
  assert.equal(again.run.name, 'whole')
  assert.equal(again.phases[0]?.metrics['top1'], curriculum.phases[3]?.metrics['top1'])
  assert.equal(again.phases[0]?.metrics['nll'], curriculum.phases[3]?.metrics['nll'])
})

test('digits › evaluate measures the averaged or the live weights, as it is told', async () => {
  const live = await run('whole', ['evaluate'], { evaluate: { useEma: false } })
  assert.notEqual(live.phases[0]?.metrics['nll'], curriculum.phases[3]?.metrics['nll'])
  await run('whole', ['evaluate'])
})

test('digits › a phase that was trained already goes into a run of its own, and starts from the first one’s predecessor', async () => {
  const messages: string[] = []
  const logger = { ...silent(), info: (text: string) => messages.push(text) }
  const again = await runPipeline(config('whole', { arcface: { epochs: 1 } }), { phases: ['arcface'], logger })
  assert.equal(again.run.name, 'whole-2')
  assert.ok(
    messages.some((text) => /starts from the backbone of .*whole\/supcon/.test(text)),
    messages.join('\n'),
  )
  assert.deepEqual(json(snapshots('whole-2', 'split.json')), json(snapshots('whole', 'split.json')))
})

function silent(): {
  debug(): void
  info(text: string): void
  warn(text: string): void
  error(): void
  child(): never
} {
  const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger as never }
  return {
    ...logger,
    child: function (this: object) {
      return this as never
    },
  }
}

test('digits › an interrupted and resumed curriculum ends with the weights of an uninterrupted one', async () => {
  const abort = new AbortController()
  const progress = { start() {}, stop() {}, update: (done: number) => void (done === 25 && abort.abort()) }
  const first = await runPipeline(config('resumed'), { phases: ['supcon', 'arcface'], signal: abort.signal, progress })
  assert.equal(first.outcome, 'interrupted')
  assert.match(realpathSync(snapshots('resumed', 'supcon', 'last')), /epoch-0001-step-0000025$/)
  const second = await runPipeline(config('resumed'), { phases: ['supcon', 'arcface'], resume: true })
  assert.deepEqual([second.outcome, second.run.name], ['finished', 'resumed'])
  for (const phase of ['supcon', 'arcface']) {
    for (const part of ['backbone', 'head', 'ema_backbone', 'ema_head', 'optimizer']) {
      const file = `${part}.safetensors`
      const of = (name: string): unknown => (sums(snapshots(name, phase, 'last')) as Record<string, unknown>)[file]
      assert.deepEqual(of('resumed'), of('whole'), `${phase} ${file}`)
    }
  }
  const third = await runPipeline(config('resumed'), { phases: ['supcon', 'arcface'], resume: true })
  assert.deepEqual(
    third.phases.map(({ outcome }) => outcome),
    ['already finished', 'already finished'],
  )
})

test('digits › another seed gives other weights', async () => {
  await run('seeded', ['supcon'], { seed: 5, supcon: { epochs: 1 } })
  const weights = async (name: string): Promise<number[]> => {
    const { tensors } = await readSafetensors(join(snapshots(name, 'supcon', 'best'), 'head.safetensors'))
    return torch.scope(() => [...tensors.values()].flatMap((t) => t.toArray()))
  }
  assert.notDeepEqual(await weights('seeded'), await weights('whole'))
})

test('digits › distillation takes a teacher from paths: a snapshot folder, or two weight files', async () => {
  const best = realpathSync(snapshots('whole', 'arcface', 'best'))
  const folder = await run('taught', ['distill'], { distill: { epochs: 1, teacherBackbonePath: best, initFrom: best } })
  const files = await run('taught', ['distill'], {
    distill: {
      epochs: 1,
      teacherBackbonePath: join(best, 'ema_backbone.safetensors'),
      teacherHeadPath: join(best, 'ema_head.safetensors'),
      initFrom: best,
    },
  })
  assert.deepEqual(folder.phases[0]?.metrics, files.phases[0]?.metrics)
})

test('digits › distillation without a teacher, or with one that is not there, says what to give', async () => {
  await assert.rejects(run('orphan', ['distill']), /distill: expected a teacher.*teacher_backbone_path/)
  await assert.rejects(
    run('orphan', ['distill'], { distill: { teacherBackbonePath: 'snapshot_epoch_30.pth' } }),
    (error: unknown) =>
      error instanceof SnapshotError && /snapshot_epoch_30\.pth: there is no such file/.test(error.message),
  )
})

test('digits › a predecessor of another architecture is left aside with a warning, an explicit one is refused', async () => {
  const warnings: string[] = []
  const logger = { ...silent(), warn: (text: string) => warnings.push(text) }
  const wider = { arcface: { epochs: 1, backbone: { name: 'small_cnn', width: 12 } } } as const
  await runPipeline(config('whole', wider), { phases: ['arcface'], logger })
  assert.match(warnings.join(), /arcface: starts from fresh weights, because its backbone small_cnn differs/)
  await assert.rejects(
    run('explicit', ['arcface'], { arcface: { ...wider.arcface, initFrom: snapshots('whole', 'supcon', 'best') } }),
    /arcface\.init_from: expected weights of small_cnn/,
  )
})

test('digits › supcon alone cannot be evaluated, and says why', async () => {
  await assert.rejects(run('contrast', ['supcon', 'evaluate']), /none of supcon, evaluate trains one/)
  await run('contrast', ['supcon'], { supcon: { epochs: 1 } })
  await assert.rejects(run('contrast', ['evaluate']), /has no snapshot of distill, arcface, train/)
  await assert.rejects(
    run('contrast', ['evaluate'], { evaluate: { model: snapshots('contrast', 'supcon', 'best') } }),
    /projection head, which gives no class scores/,
  )
})

test('digits › a truncated snapshot is refused by file, and evaluation of an empty part too', async () => {
  const best = realpathSync(snapshots('whole-2', 'arcface', 'best'))
  truncateSync(join(best, 'ema_backbone.safetensors'), 100)
  await assert.rejects(
    run('damaged', ['evaluate'], { evaluate: { model: best } }),
    (error: unknown) =>
      error instanceof SnapshotError && /ema_backbone\.safetensors: expected \d+ bytes, got 100/.test(error.message),
  )
  await assert.rejects(
    run('damaged', ['evaluate'], { data: { validationFraction: 0 }, evaluate: { split: 'validation' } }),
    DatasetError,
  )
})

test('digits › plain training through the orchestrator, with a stage of one’s own', async () => {
  const counted: number[] = []
  const { train, evaluate } = config('plain', { train: { enabled: true } })
  const result = await new PipelineOrchestrator()
    .addStage(new DataLoaderStage())
    .addStage(new ModelLoaderStage())
    .addStage(new TrainingStage())
    .addStage(new EvaluationStage())
    .addStage(new VisualizationStage())
    .addStage(
      { name: 'count', run: async (context) => void counted.push(context.data?.train.length ?? 0) },
      { after: 'data' },
    )
    .addStage(new AugmentationStage(), { before: 'training' })
    .run({
      ...config('plain'),
      train,
      evaluate,
      supcon: { enabled: false },
      arcface: { enabled: false },
      distill: { enabled: false },
    })
  assert.deepEqual(
    result.phases.map(({ phase }) => phase),
    ['train', 'evaluate'],
  )
  assert.ok(result.phases[1]!.metrics['top1']! > 0.8)
  assert.deepEqual(counted.length, 1)
  assert.ok(result.files.every((path) => existsSync(path)) && result.files.length > 0)
})

test('digits › options act: more smoothing, another margin, another temperature, another augmentation give other losses', async () => {
  const epochLoss = async (name: string, phase: 'supcon' | 'arcface' | 'train', changes: object): Promise<number> => {
    const result = await run(name, [phase], { [phase]: { steps: 3, epochs: null, ...changes } })
    const [line = ''] = readFileSync(join(result.run.logs, 'metrics.jsonl'), 'utf8').split('\n')
    return (JSON.parse(line) as { train_loss: number }).train_loss
  }
  const plain = await epochLoss('o', 'train', {})
  assert.notEqual(await epochLoss('o', 'train', { labelSmoothing: 0.2 }), plain)
  assert.notEqual(await epochLoss('o', 'train', { augmentations: { randomCrop: true } }), plain)
  assert.notEqual(await epochLoss('o', 'train', { lossFunction: 'arcface' }), plain)
  assert.notEqual(await epochLoss('o', 'train', { optimizer: 'sgd' }), plain)
  assert.notEqual(await epochLoss('o', 'train', { precision: 'bfloat16' }), plain)
  assert.equal(await epochLoss('o', 'train', {}), plain)
  const arcface = await epochLoss('a', 'arcface', {})
  assert.notEqual(await epochLoss('a', 'arcface', { margin: 0.4 }), arcface)
  assert.notEqual(await epochLoss('a', 'arcface', { scale: 20 }), arcface)
  assert.notEqual(await epochLoss('a', 'arcface', { backboneLrScale: 0 }), arcface)
  const supcon = await epochLoss('s', 'supcon', {})
  assert.notEqual(await epochLoss('s', 'supcon', { temperature: 0.2 }), supcon)
  assert.notEqual(await epochLoss('s', 'supcon', { baseTemperature: 0.07 }), supcon)
  assert.notEqual(await epochLoss('s', 'supcon', { samplesPerClass: 4 }), supcon)
  assert.notEqual(await epochLoss('s', 'supcon', { projectionFeatures: 32 }), supcon)
  assert.notEqual(await epochLoss('s', 'supcon', { projectionHidden: 48 }), supcon)
})

test('digits › a file in the way of a run’s snapshots is an error with its path', async () => {
  const result = await run('blocked', ['train'], { train: { epochs: 1 } })
  rmSync(join(result.run.snapshots, 'train'), { recursive: true })
  writeFileSync(join(result.run.snapshots, 'train'), 'in the way')
  await assert.rejects(
    runPipeline(config('blocked'), { phases: ['train'], resume: true }),
    (error: unknown) => error instanceof SnapshotError && error.message.includes(join('blocked', 'train')),
  )
})
