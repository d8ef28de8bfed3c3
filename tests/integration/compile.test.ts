/** `compile` through all training phases: with passes recorded and run again, each ends with the weights of eager passes; what cannot be captured is said. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readSafetensors, torch } from '../../src/binding/index.ts'
import {
  ModelLoaderStage,
  pipelineConfigSchema,
  pipelineFor,
  type PhaseName,
  type PipelineConfig,
  type StageContext,
} from '../../src/phases/index.ts'
import { checkCompiledTeacher } from '../../src/phases/compile.ts'
import { checkDevice } from '../../src/phases/device-limits.ts'
import { ConfigError } from '../../src/util/errors.ts'
import { createLogger, silentLogger } from '../../src/util/logger.ts'
import { counted, RecordedPass, type Call } from '../support/recorded-pass.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-compile-'))
after(() => rmSync(root, { recursive: true, force: true }))

type Changes = Readonly<Record<string, object>>

function config(name: string, changes: Changes): PipelineConfig {
  const quick = { steps: 6, batchSize: 48, emaDecay: 0.9, useValidation: false, compile: true }
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

/** Every tensor of the phase's last snapshot, and the line of its history. */
async function run(name: string, phase: PhaseName, changes: Changes, calls: Call[] | null): Promise<object> {
  const settings = config(name, changes)
  const pipeline = pipelineFor([phase], settings).addStage(
    {
      name: 'recording',
      run: async (context) => {
        if (calls !== null) context.passGraphs = () => new RecordedPass(calls)
      },
    },
    { before: 'training' },
  )
  const { run: paths, outcome } = await pipeline.run(settings)
  assert.equal(outcome, 'finished')
  const last = realpathSync(join(paths.snapshots, phase, 'last'))
  const manifest = JSON.parse(readFileSync(join(last, 'manifest.json'), 'utf8')) as { files: Record<string, unknown> }
  const tensors: Record<string, number[]> = {}
  for (const file of Object.keys(manifest.files).filter((each) => each.endsWith('.safetensors')))
    await torch.scope(async () => {
      for (const [key, tensor] of await readTensorsOf(join(last, file)))
        tensors[`${file} ${key}`] = tensor.map((value) => value + 0)
    })
  const lines = readFileSync(join(paths.logs, 'metrics.jsonl'), 'utf8').trim().split('\n')
  const { train_loss, train_accuracy } = JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
  return { tensors, train_loss, train_accuracy }
}

async function readTensorsOf(path: string): Promise<[string, number[]][]> {
  const { tensors } = await readSafetensors(path)
  return [...tensors].map(([name, tensor]) => [name, tensor.toArray()])
}

let runs = 0

/** @param expected captures, and eager passes before them */
async function same(
  phase: PhaseName,
  changes: object,
  expected: { captures: number; eager: number },
  more: Changes = {},
): Promise<void> {
  const name = `${phase}-${runs++}`
  const all = { ...more, [phase]: changes }
  const calls: Call[] = []
  const captured = await run(`${name}-captured`, phase, all, calls)
  assert.deepEqual(captured, await run(`${name}-eager`, phase, all, null), JSON.stringify(changes))
  const { capture = 0, 'warm up': eager = 0, replay = 0 } = counted(calls)
  assert.deepEqual({ captures: capture, eager }, expected, JSON.stringify(changes))
  assert.ok(replay > 0, JSON.stringify(changes))
}

const once = { captures: 1, eager: 3 }

test('compile › train: mixtures that are drawn for each batch, focal loss, consistency and dropped paths', async () => {
  await same('train', { mixMethod: 'mixup', labelSmoothing: 0.1 }, once)
  await same(
    'train',
    { mixMethod: 'cutmix', mixProbability: 0.5, lossFunction: 'focal', steps: 12 },
    { captures: 2, eager: 6 },
  )
  await same('train', { mixMethod: 'cutout', accumulation: 2 }, once)
  await same(
    'train',
    { jsdWeight: 12, batchSize: 16, precision: 'bfloat16', augmentations: { randaugment: true } },
    once,
  )
  await same(
    'train',
    {
      mixMethod: 'mixtoken',
      batchSize: 8,
      backbone: { name: 'vit_tiny_patch16_224', patchSize: 4, dropPathRate: 0.2 },
    },
    once,
  )
})

test('compile › supcon: mixtures and small crops', async () => {
  await same('supcon', { mixMethod: 'mixup' }, once)
  await same('supcon', { localCrops: { views: 2, imageSize: 8 }, sam: true }, once)
})

test('compile › arcface: what a margin remembers, with SAM', async () => {
  await same('arcface', { sam: true }, once)
  await same('arcface', { useAdaface: true, sam: true, mixMethod: 'cutmix' }, once)
  await same('arcface', { useCurricularface: true, sam: true, subCenters: 2 }, once)
})

test('compile › distill: the warm-up of a teacher, features, decoupled scores of mixed pictures', async () => {
  const student = { teacher: 'student_ema' }
  await same('distill', { ...student, featureWeight: 1, mixMethod: 'cutmix' }, once)
  const ramp = {
    teacherWarmupEpochs: 3,
    softLoss: 'dkd',
    mixMethod: 'mixup',
    hardLoss: 'adaface',
    steps: null,
    epochs: 2,
    batchSize: 256,
  }
  await same('distill', { ...student, ...ramp }, once)
  await same('distill', { ...student, mixMethod: 'tokenmix', embeddingWeight: 1 }, once)
})

const defaults = config('checked', {})

/** As a phase is checked before it begins. */
function check(name: 'train' | 'supcon', changes: object, backbone: object = {}, device = 'cuda:0'): string[] {
  const lines: string[] = []
  const { backbone: general, ...sections } = config('checked', { backbone, [name]: changes })
  const logger = createLogger({ write: (line) => void lines.push(line) })
  checkDevice(name, sections[name], {
    device,
    logger,
    defaults: { backbone: general, imageSize: 16, precision: 'float32', order: defaults.data },
  })
  return lines
}

test('compile › what cannot be captured is refused before anything is trained, and both keys are named', () => {
  const refused: [name: 'train' | 'supcon', changes: object, backbone: object, key: RegExp][] = [
    ['train', { useManifoldMixup: true }, {}, /train\.use_manifold_mixup/],
    ['supcon', { xbmSize: 64, xbmStartStep: 1 }, {}, /supcon\.xbm_size/],
    ['train', { microBatch: 'auto' }, {}, /train\.micro_batch/],
    ['train', {}, { name: 'resnet18', gradientCheckpointing: true }, / backbone\.gradient_checkpointing/],
    ['train', {}, { name: 'resnet18', useMixstyle: true }, / backbone\.use_mixstyle/],
    [
      'train',
      { backbone: { name: 'vit_small_patch16_224', tokenMergingRatio: 0.5 } },
      {},
      /train\.backbone\.token_merging_ratio/,
    ],
  ]
  for (const [name, changes, backbone, key] of refused) {
    assert.throws(
      () => check(name, changes, backbone),
      (error: unknown) =>
        error instanceof ConfigError && error.message.startsWith(`${name}.compile`) && key.test(error.message),
    )
    check(name, { ...changes, compile: false }, backbone)
    check(name, changes, backbone, 'cpu')
  }
  check(
    'train',
    { mixMethod: 'cutmix', microBatch: 8, sam: true, accumulation: 2 },
    { dropPathRate: 0.1, name: 'resnet18' },
  )
  const merging = { name: 'vit_small_patch16_224', pretrained: false, tokenMergingRatio: 0.5 }
  assert.throws(
    () => checkCompiledTeacher({ compile: true }, 'cuda:0', merging),
    /distill\.compile: .*teacher.*token_merging_ratio/,
  )
  checkCompiledTeacher({ compile: false }, 'cuda:0', merging)
  checkCompiledTeacher({ compile: true }, 'cpu', merging)
})

test('compile › what a later phase cannot capture is refused before the first one trains', async () => {
  const loaded = (changes: Changes, device: string): Promise<void> => {
    const context = { config: config('loaded', changes), device, logger: silentLogger, data: null, resume: true }
    return new ModelLoaderStage({ phases: ['train', 'distill'] }).run(context as unknown as StageContext)
  }
  const mixed = { distill: { useManifoldMixup: true } }
  await assert.rejects(loaded(mixed, 'cuda:0'), /distill\.compile: .*distill\.use_manifold_mixup/)
  const teacher = {
    distill: { teacherBackbonePath: 't.pth', teacherBackbone: { name: 'vit_test', tokenMergingRatio: 0.5 } },
  }
  await assert.rejects(loaded(teacher, 'cuda:0'), /distill\.compile: .*teacher.*token_merging_ratio/)
  for (const changes of [mixed, teacher]) await loaded(changes, 'cpu')
})

test('compile › on the CPU it says that it does nothing', () => {
  assert.match(check('train', {}, {}, 'cpu').join(), /compile changes nothing on the CPU/)
  assert.deepEqual(check('train', { compile: false }, {}, 'cpu'), [])
})
