/** Every loss and every teacher through the phases that use them: options act, what is remembered survives an interruption. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  pipelineConfigSchema,
  runPipeline,
  silentProgress,
  type PhaseName,
  type PipelineResult,
} from '../../src/phases/index.ts'
import { ConfigError, SnapshotError } from '../../src/util/errors.ts'
import { createLogger, silentLogger, type Logger } from '../../src/util/logger.ts'
import { liveTensors } from '../support/live-tensors.ts'
import { readSafetensors } from '../../src/binding/index.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-losses-'))
after(() => rmSync(root, { recursive: true, force: true }))

type Changes = Readonly<Record<string, object>>

function config(name: string, changes: Changes): ReturnType<typeof pipelineConfigSchema.parse> {
  const quick = { steps: 3, batchSize: 48, emaDecay: 0.9, useValidation: false }
  const base: Record<string, object> = {
    run: { name, directory: root },
    data: { dataset: 'digits', imageSize: 16 },
    backbone: { name: 'small_cnn', width: 8 },
    train: quick,
    supcon: quick,
    arcface: { ...quick, scale: 16 },
    distill: { ...quick, scale: 16 },
  }
  for (const [key, value] of Object.entries(changes)) base[key] = { ...base[key], ...value }
  return pipelineConfigSchema.parse({ ...base, device: 'cpu' })
}

const run = (
  name: string,
  phases: PhaseName[],
  changes: Changes = {},
  more: { readonly logger?: Logger } = {},
): Promise<PipelineResult> => runPipeline(config(name, changes), { phases, ...more })

const folder = (name: string, phase: string): string => realpathSync(join(root, 'snapshots', name, phase, 'last'))

function files(name: string, phase: string): Record<string, unknown> {
  const manifest = JSON.parse(readFileSync(join(folder(name, phase), 'manifest.json'), 'utf8')) as {
    files: Record<string, unknown>
  }
  return Object.fromEntries(Object.entries(manifest.files).filter(([file]) => file.endsWith('.safetensors')))
}

/** The mean loss of three steps. */
async function lossOf(phase: 'train' | 'supcon' | 'arcface' | 'distill', changes: object): Promise<number> {
  const name = `loss-${phase}`
  const result = await run(name, [phase], { [phase]: changes })
  const lines = readFileSync(join(result.run.logs, 'metrics.jsonl'), 'utf8').trim().split('\n')
  return (JSON.parse(lines.at(-1) ?? '') as { train_loss: number }).train_loss
}

async function allDiffer(
  phase: 'train' | 'supcon' | 'arcface' | 'distill',
  variants: readonly object[],
): Promise<void> {
  const losses = new Map<number, object>()
  for (const changes of variants) {
    const loss = await lossOf(phase, changes)
    assert.ok(Number.isFinite(loss))
    assert.equal(
      losses.get(loss),
      undefined,
      `${JSON.stringify(changes)} gives the loss of ${JSON.stringify(losses.get(loss))}`,
    )
    losses.set(loss, changes)
  }
}

/** Interrupted in the middle and resumed, a phase ends with the bytes of a run in one piece. */
async function survives(
  name: string,
  phase: 'train' | 'supcon' | 'arcface' | 'distill',
  changes: Changes,
): Promise<void> {
  const long = { ...changes, [phase]: { steps: 6, epochs: null, ...changes[phase] } }
  await run(`${name}-whole`, [phase], long)
  const abort = new AbortController()
  let updates = 0
  const progress = {
    ...silentProgress,
    update: () => {
      if (++updates === 3) abort.abort()
    },
  }
  const again = config(`${name}-cut`, long)
  assert.equal((await runPipeline(again, { phases: [phase], signal: abort.signal, progress })).outcome, 'interrupted')
  assert.equal((await runPipeline(again, { phases: [phase], resume: true })).outcome, 'finished')
  assert.deepEqual(files(`${name}-cut`, phase), files(`${name}-whole`, phase))
}

const arcfaceOf = (name: string): string => join(root, 'snapshots', name, 'arcface', 'best')

before(async () => {
  await run('teacher', ['arcface'])
  await run('other', ['arcface'], {
    data: { dataset: 'digits', imageSize: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    arcface: { emaDecay: 0, subCenters: 2, backbone: { name: 'resnet_test' } },
  })
})

test('losses › each loss of the train phase and each of its keys gives another loss', () =>
  allDiffer('train', [
    {},
    { labelSmoothing: 0.1 },
    { classWeights: [1, 1, 1, 1, 1, 1, 1, 1, 1, 5] },
    { lossFunction: 'focal' },
    { lossFunction: 'focal', focalGamma: 1 },
    { lossFunction: 'focal', focalAlpha: 0.25 },
    { lossFunction: 'focal', classWeights: [1, 1, 1, 1, 1, 1, 1, 1, 1, 5] },
    { lossFunction: 'arcface' },
    { lossFunction: 'arcface', subCenters: 2 },
    { lossFunction: 'cosface' },
    { lossFunction: 'cosface', margin: 0.2 },
    { lossFunction: 'adaface' },
    { lossFunction: 'curricularface', classWeights: [1, 1, 1, 1, 1, 1, 1, 1, 1, 5] },
  ]))

test('losses › each margin of the arcface phase and each of its keys gives another loss', () =>
  allDiffer('arcface', [
    {},
    { marginHead: 'cosface' },
    { marginHead: 'adaface' },
    { marginHead: 'adaface', adafaceH: 1 },
    { marginHead: 'adaface', statisticsMomentum: 0.5 },
    { marginHead: 'curricularface' },
    { marginHead: 'curricularface', statisticsMomentum: 0.5 },
    { subCenters: 3 },
    { classWeights: [1, 1, 1, 1, 1, 1, 1, 1, 1, 5] },
    { labelSmoothing: 0.1 },
    ...['mixup', 'cutmix', 'fmix', 'cutout'].map((mixMethod) => ({ mixMethod })),
    { mixMethod: 'cutmix', mixProbability: 0.1 },
    { mixMethod: 'mixup', mixAlpha: 0.2 },
    { useManifoldMixup: true },
    { useManifoldMixup: true, marginHead: 'adaface' },
  ]))

test('losses › use_curricularface and use_adaface are other spellings of margin_head', async () => {
  for (const [flag, marginHead] of [
    ['useCurricularface', 'curricularface'],
    ['useAdaface', 'adaface'],
  ] as const)
    assert.equal(await lossOf('arcface', { [flag]: true }), await lossOf('arcface', { marginHead }))
})

test('losses › balanced weights are those of the training images', async () => {
  const { data } = config('x', {})
  assert.equal(data.dataset, 'digits')
  assert.notEqual(await lossOf('train', { classWeights: 'balanced' }), await lossOf('train', {}))
})

test('losses › the statistics of a margin are in the snapshot and survive an interruption, with mixing too', async () => {
  const quick = { batchSize: 48, emaDecay: 0, useValidation: false, mixMethod: 'cutmix' }
  await survives('ada', 'arcface', { arcface: { ...quick, marginHead: 'adaface' } })
  const stored = await readSafetensors(join(folder('ada-whole', 'arcface'), 'task.safetensors'))
  assert.deepEqual([...stored.tensors.keys()].sort(), ['norm_mean', 'norm_std'])
  await survives('curricular', 'train', { train: { ...quick, lossFunction: 'curricularface' } })
  assert.ok('task.safetensors' in files('curricular-whole', 'train'))
  await run('plain-margin', ['arcface'], {})
  assert.ok(!('task.safetensors' in files('plain-margin', 'arcface')))
})

test('losses › a head with sub-centers is evaluated and exported', async () => {
  const result = await run('sub', ['arcface', 'evaluate', 'export'], {
    arcface: { subCenters: 3 },
    export: { probes: 8 },
  })
  assert.equal(result.outcome, 'finished')
  assert.ok(existsSync(join(root, 'snapshots', 'sub', 'export', 'model.onnx')))
})

test('contrast › views, the memory and its start give other losses', () =>
  allDiffer('supcon', [
    {},
    { views: 3 },
    { xbmSize: 64, xbmStartStep: 0 },
    { xbmSize: 200, xbmStartStep: 0 },
    { xbmSize: 64, xbmStartStep: 2 },
    { temperature: 0.3 },
    { baseTemperature: 0.07 },
  ]))

test('contrast › the memory is in the snapshot and survives an interruption, also where some batches are mixed', async () => {
  const quick = { batchSize: 48, useValidation: false, xbmSize: 100, xbmStartStep: 1 }
  await survives('memory', 'supcon', { supcon: { ...quick, mixMethod: 'mixup', mixProbability: 0.5 } })
  const { tensors } = await readSafetensors(join(folder('memory-whole', 'supcon'), 'task.safetensors'))
  assert.deepEqual(tensors.get('memory_embeddings')?.shape, [100, 128])
  assert.equal(tensors.get('memory_steps')?.item(), 6)
})

test('losses › a SAM step that ascends nowhere is a plain step: both passes see the same statistics and the same memory', async () => {
  const cases: [phase: 'arcface' | 'supcon' | 'distill', changes: object][] = [
    ['arcface', { marginHead: 'curricularface', statisticsMomentum: 0.5 }],
    ['arcface', { marginHead: 'adaface', statisticsMomentum: 0.5 }],
    ['supcon', { xbmSize: 70, xbmStartStep: 2 }],
    [
      'distill',
      { teacherBackbonePath: arcfaceOf('other'), embeddingWeight: 1, backbone: { name: 'small_cnn', width: 4 } },
    ],
  ]
  for (const [index, [phase, changes]] of cases.entries()) {
    const common = { ...changes, optimizer: 'sgd', lr: 0.05, accumulation: 2 }
    const weights = async (name: string, sam: object | boolean): Promise<Map<string, number[]>> => {
      await run(name, [phase], { [phase]: { ...common, sam } })
      const { tensors } = await readSafetensors(join(folder(name, phase), 'backbone.safetensors'))
      return new Map([...tensors].map(([key, value]) => [key, value.toArray()]))
    }
    const plain = await weights(`plain-${index}`, false)
    for (const [key, values] of await weights(`sam-${index}`, { rho: 1e-14 }))
      for (const [i, value] of values.entries()) {
        const expected = plain.get(key)?.[i] ?? NaN
        assert.ok(
          Math.abs(value - expected) <= 2e-6 * Math.max(1, Math.abs(expected)),
          `${phase} ${key}[${i}]: ${value} and ${expected}`,
        )
      }
  }
})

test('distillation › each soft loss, each weight and each hard loss gives another loss', () => {
  const teacher = { teacherBackbonePath: arcfaceOf('teacher') }
  return allDiffer('distill', [
    teacher,
    { ...teacher, alpha: 0.9 },
    { ...teacher, temperature: 2 },
    { ...teacher, softLoss: 'dkd' },
    { ...teacher, softLoss: 'dkd', dkdAlpha: 3 },
    { ...teacher, softLoss: 'dkd', dkdBeta: 2 },
    { ...teacher, featureWeight: 1 },
    { ...teacher, embeddingWeight: 1 },
    { ...teacher, teacherWarmupEpochs: 4 },
    { ...teacher, hardLoss: 'focal' },
    { ...teacher, hardLoss: 'arcface' },
    { ...teacher, hardLoss: 'curricularface' },
    { ...teacher, hardLoss: 'adaface', margin: 0.2 },
    { ...teacher, useEmaTeacher: false },
    { ...teacher, softLoss: 'dkd', mixMethod: 'cutmix' },
    { ...teacher, softLoss: 'dkd', featureWeight: 1, useManifoldMixup: true },
    { ...teacher, classWeights: [1, 1, 1, 1, 1, 1, 1, 1, 1, 5] },
    { ...teacher, subCenters: 2 },
  ])
})

test('distillation › the arcface phase, a snapshot of another network, several of them, and the student’s average teach', async () => {
  const ensemble = [arcfaceOf('teacher'), arcfaceOf('other')]
  await allDiffer('distill', [
    { teacherBackbonePath: arcfaceOf('teacher') },
    { teacherBackbonePath: arcfaceOf('other') },
    { teacherSnapshots: ensemble },
    { teacherSnapshots: ensemble, featureWeight: 0.5 },
    { teacher: 'student_ema' },
    { teacher: 'student_ema', emaDecay: 0.1 },
  ])
  // without any teacher beside it use_ema_teacher: true is the student's own average
  assert.equal(await lossOf('distill', { useEmaTeacher: true }), await lossOf('distill', { teacher: 'student_ema' }))
})

test('distillation › weights of ours as files are shown the pictures as they were trained on, as their snapshot is', async () => {
  const grey = { dataset: 'digits', imageSize: 16, mean: [0.3, 0.3, 0.3], std: [0.5, 0.5, 0.5] }
  await run('grey', ['arcface'], { data: grey })
  const snapshot = folder('grey', 'arcface')
  const files = {
    teacherBackbonePath: join(snapshot, 'ema_backbone.safetensors'),
    teacherHeadPath: join(snapshot, 'ema_head.safetensors'),
  }
  const warnings: string[] = []
  const logger: Logger = { ...silentLogger, warn: (line) => void warnings.push(line), child: () => logger }
  const result = await run('learns-from-files', ['distill'], { distill: files }, { logger })
  const [line = ''] = readFileSync(join(result.run.logs, 'metrics.jsonl'), 'utf8').trim().split('\n').slice(-1)
  const { train_loss: loss } = JSON.parse(line) as { train_loss: number }
  assert.equal(loss, await lossOf('distill', { teacherBackbonePath: snapshot }))
  assert.deepEqual(
    warnings.filter((warning) => warning.includes('normalised')),
    [],
  )
})

test('distillation › TokenMix’s labels depend on the teacher’s activation, those of other mixtures do not', async () => {
  const data = { dataset: 'digits', imageSize: 32 }
  await run('sees', ['arcface'], { data })
  const labelsAlone = async (mixMethod: string, teacher: string): Promise<number> => {
    const name = `${mixMethod}-${teacher}`
    // without its scores the teacher has a say in the labels alone
    const distill = { alpha: 0, mixMethod, teacherBackbonePath: arcfaceOf(teacher), steps: 1 }
    const result = await run(name, ['distill'], { data, distill })
    const lines = readFileSync(join(result.run.logs, 'metrics.jsonl'), 'utf8').trim().split('\n')
    return (JSON.parse(lines.at(-1) ?? '') as { train_loss: number }).train_loss
  }
  assert.equal(await labelsAlone('cutmix', 'sees'), await labelsAlone('cutmix', 'teacher'))
  assert.notEqual(await labelsAlone('tokenmix', 'sees'), await labelsAlone('tokenmix', 'teacher'))
})

test('distillation › TokenMix’s labels by area, where the teacher has merged its tokens, are told once', async () => {
  const backbone = { name: 'vit_test', patchSize: 4, tokenMergingRatio: 0.3 }
  const warned = async (name: string, more: object): Promise<string[]> => {
    const lines: string[] = []
    const logger: Logger = { ...silentLogger, warn: (line) => void lines.push(line), child: () => logger }
    await run(name, ['arcface'], { arcface: { steps: 1, backbone: { ...backbone, ...more } } })
    const distill = { mixMethod: 'tokenmix', mixProbability: 1, teacherBackbonePath: arcfaceOf(name), steps: 3 }
    await run(`${name}-student`, ['distill'], { distill }, { logger })
    return lines.filter((line) => line.includes('tokenmix count by area'))
  }
  assert.equal((await warned('merged', {})).length, 1)
  assert.deepEqual(await warned('whole', { tokenMergingRatio: 0 }), [])
})

test('distillation › the projection to the teacher’s width is trained, and survives an interruption', async () => {
  const distill = {
    batchSize: 48,
    useValidation: false,
    emaDecay: 0.9,
    backbone: { name: 'small_cnn', width: 4 },
    teacherBackbonePath: arcfaceOf('other'),
    embeddingWeight: 1,
    hardLoss: 'curricularface',
    scale: 16,
  }
  await survives('hint', 'distill', { distill })
  const { tensors } = await readSafetensors(join(folder('hint-whole', 'distill'), 'task.safetensors'))
  assert.deepEqual([...tensors.keys()].sort(), ['projection.fc.bias', 'projection.fc.weight', 't'])
  await survives('self', 'distill', {
    distill: { ...distill, teacherBackbonePath: null, teacher: 'student_ema', hardLoss: 'focal' },
  })
})

test('distillation › says who teaches, and that a snapshot without averages has none', async () => {
  const lines: string[] = []
  const logger = createLogger({ write: (line) => void lines.push(line) })
  const settings = config('said', { distill: { teacherBackbonePath: arcfaceOf('other'), useEmaTeacher: true } })
  await runPipeline(settings, { phases: ['distill'], logger })
  assert.ok(
    lines.some((line) => /the teacher is .*other/.test(line)),
    lines.join('\n'),
  )
  assert.ok(lines.some((line) => /use_ema_teacher: .* holds no averaged weights/.test(line)))
})

test('distillation › a missing teacher and a teacher without class scores are named', async () => {
  await assert.rejects(
    run('alone', ['distill'], {}),
    (error: unknown) =>
      error instanceof SnapshotError && /no snapshot of the arcface phase.*student_ema/.test(error.message),
  )
  await assert.rejects(
    run('alone', ['distill'], { distill: { useEmaTeacher: true, emaDecay: 0 } }),
    (error: unknown) => error instanceof ConfigError && /ema_decay: expected a weight average/.test(error.message),
  )
  await run('contrast', ['supcon'])
  await assert.rejects(
    run('alone', ['distill'], { distill: { teacherSnapshots: [join(root, 'snapshots', 'contrast', 'supcon')] } }),
    (error: unknown) => error instanceof SnapshotError && /projection head/.test(error.message),
  )
  await assert.rejects(
    run('alone', ['train'], { train: { classWeights: [1, 2] } }),
    (error: unknown) =>
      error instanceof ConfigError && /train\.class_weights: expected .* 10 classes, got 2/.test(error.message),
  )
})

test('losses › nothing of a phase stays behind', async () => {
  await run('warm', ['distill'], { distill: { teacherSnapshots: [arcfaceOf('teacher')], featureWeight: 1 } })
  const before = await liveTensors()
  for (let i = 0; i < 2; i++)
    await run('again', ['distill'], {
      distill: {
        teacherSnapshots: [arcfaceOf('teacher')],
        featureWeight: 1,
        hardLoss: 'adaface',
        classWeights: 'balanced',
      },
    })
  assert.equal(await liveTensors(), before)
})
