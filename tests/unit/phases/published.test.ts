import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { torch } from '../../../src/binding/index.ts'
import { loadImage } from '../../../src/data/index.ts'
import { backboneOptionsSchema, createModel, readWeights, saveSafetensors } from '../../../src/models/index.ts'
import { runPipeline, pipelineConfigSchema, type PipelineResult } from '../../../src/phases/index.ts'
import { warnOfNormalisation } from '../../../src/phases/networks.ts'
import { openPredictor } from '../../../src/predict/index.ts'
import type { PhaseName } from '../../../src/phases/context.ts'
import { ConfigError, SnapshotError } from '../../../src/util/errors.ts'
import { silentLogger } from '../../../src/util/logger.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-published-'))
after(() => rmSync(root, { recursive: true, force: true }))

const file = join(root, 'small.safetensors')
const features = join(root, 'features.safetensors')
const four = join(root, 'four.safetensors')
const described = join(root, 'described.safetensors')
let heard: string[] = []
const logger = {
  ...silentLogger,
  info: (message: string) => void heard.push(message),
  warn: (message: string) => void heard.push(`warning: ${message}`),
  child: () => logger,
}

before(async () => {
  for (const [path, numClasses] of [
    [file, 10],
    [features, 0],
    [four, 4],
  ] as const) {
    using model = await createModel('small_cnn', { numClasses, width: 4, imageSize: 8, seed: 3 })
    await torch.scope(() => saveSafetensors(path, model.stateDict()))
    const greys = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }
    const trivium = JSON.stringify({ imageSize: 8, resizeTo: 8, interpolation: 'bilinear', ...greys })
    if (path === file) await torch.scope(() => saveSafetensors(described, model.stateDict(), { trivium }))
  }
})

async function run(name: string, phases: readonly PhaseName[], given: object): Promise<PipelineResult> {
  heard = []
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    threads: 1,
    data: { dataset: 'digits', imageSize: 8 },
    ...given,
  })
  return runPipeline(config, { phases, logger })
}
const backbone = { name: 'small_cnn', width: 4 }
const top1 = (result: PipelineResult): number =>
  result.phases.find(({ phase }) => phase === 'evaluate')?.metrics['top1'] ?? -1

describe('a published classifier', () => {
  it('is evaluated as it is, when nothing was trained in the run', async () => {
    const result = await run('as-it-is', ['evaluate'], { backbone: { ...backbone, pretrained: file } })
    assert.ok(top1(result) >= 0)
    assert.equal(result.phases[0]?.snapshot, file)
    assert.match(heard.join('\n'), /this run has no trained classifier; taking the published one/)
    const named = await run('by-model', ['evaluate'], { backbone, evaluate: { model: file } })
    assert.equal(top1(named), top1(result))
  })

  it('sees images normalised as the network wants them, or as data.mean and data.std say, and then hears of it', async () => {
    const given = { backbone: { ...backbone, pretrained: file } }
    const usual = await run('usual', ['evaluate'], given)
    assert.match(
      heard.join('\n'),
      /data: prepared for the weights that the run starts from: bilinear, mean \[0\.485, 0\.456, 0\.406\]/,
    )
    assert.ok(!heard.some((line) => line.includes('normalised')))
    const grey = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }
    const other = await run('other', ['evaluate'], { ...given, data: { dataset: 'digits', imageSize: 8, ...grey } })
    // Nobody published a network of this name, and the file does not say: nothing is known to differ.
    assert.ok(!heard.some((line) => line.includes('normalised')), heard.join('\n'))
    await run('said', ['evaluate'], {
      backbone: { ...backbone, pretrained: described },
      data: { dataset: 'digits', imageSize: 8, mean: [0.4, 0.4, 0.4], std: grey.std },
    })
    assert.match(
      heard.join('\n'),
      /warning: small_cnn: images are normalised with mean \[0\.4, .*described\.safetensors were trained with mean \[0\.5, 0\.5, 0\.5\] and/,
    )
    await run('as-said', ['evaluate'], { backbone: { ...backbone, pretrained: described } })
    assert.match(heard.join('\n'), /data: prepared for .* mean \[0\.5, 0\.5, 0\.5\]/)
    assert.ok(!heard.some((line) => line.includes('normalised')), heard.join('\n'))
    const nll = (result: PipelineResult): number => result.phases[0]?.metrics['nll'] ?? -1
    assert.notEqual(nll(usual), nll(other))
  })

  it('whose name has published weights is said to be mostly trained as those', async () => {
    const [imagenet, grey] = [
      { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    ]
    const warned = async (name: string, pretrained: boolean | string, given: typeof grey): Promise<string> => {
      heard = []
      await warnOfNormalisation({ ...backboneOptionsSchema.parse({ name }), pretrained }, imagenet, given, logger)
      return heard.join('\n')
    }
    assert.match(
      await warned('resnet18', 'mine.pth', grey),
      /^warning: resnet18: images are normalised with mean \[0\.5, .* networks of this name are mostly trained with mean \[0\.485/,
    )
    assert.match(await warned('hybrid', true, grey), /mostly trained with/)
    assert.equal(await warned('resnet18', 'mine.pth', imagenet), '')
    assert.equal(await warned('small_cnn', 'mine.pth', grey), '')
    assert.match(await warned('resnet18', described, imagenet), /were trained with mean \[0\.5/)
    assert.equal(await warned('resnet18', described, grey), '')
  })

  it('sees photos resampled as the network wants them, in evaluation, in the export and in predictions alike', async () => {
    const photos = join(root, 'photos')
    for (const [label, name] of ['cat', 'dog'].entries()) {
      mkdirSync(join(photos, name), { recursive: true })
      for (let i = 0; i < 10; i++) {
        const pixels = Uint8Array.from(
          { length: 45 * 60 * 3 },
          (_, at) => (Math.imul(at + 7 * i, 2654435761) >>> 24) ^ (label * 85),
        )
        const raw = { width: 60, height: 45, channels: 3 } as const
        await sharp(pixels, { raw })
          .png()
          .toFile(join(photos, name, `${i}.png`))
      }
    }
    const path = join(root, 'photos.safetensors')
    using model = await createModel('resnet_test', { numClasses: 2, imageSize: 32, seed: 3 })
    await torch.scope(() => saveSafetensors(path, model.stateDict()))
    const result = await run('photos', ['evaluate', 'export'], {
      data: { dataset: 'imagefolder', directory: photos, imageSize: 32 },
      backbone: { name: 'resnet_test', pretrained: path },
      export: { formats: ['onnx'], probes: 4 },
    })
    const predictor = await openPredictor(result.phases[1]?.files[0] as string)
    try {
      assert.deepEqual(predictor.preprocessing, {
        ...{ imageSize: 32, resizeTo: 33, interpolation: 'bicubic' }, // ⌊32 / 0.95⌋
        ...{ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      })
      const { resizeTo, interpolation } = predictor.preprocessing
      const csv = result.phases[0]?.files.find((name) => name.endsWith('predictions.csv')) as string
      const [header, ...rows] = readFileSync(csv, 'utf8').trim().split('\n')
      const columns = (header as string).split(',')
      assert.equal(rows.length, 4)
      for (const row of rows) {
        const cells = row.split(',')
        const cell = (column: string): string => cells[columns.indexOf(column)] as string
        const image = await loadImage(cell('path'), { resizeTo, interpolation, cropTo: 32, maxPixels: 1e6 })
        const [prediction] = await predictor.predict([image])
        assert.equal(prediction?.label, cell('predicted'))
        assert.ok(Math.abs(Number(cell('confidence')) - prediction.confidence) < 1e-5, row)
      }
    } finally {
      await predictor.dispose()
    }
  })

  it('goes into an export, too', async () => {
    const result = await run('exported', ['export'], {
      backbone: { ...backbone, pretrained: file },
      export: { formats: ['torchscript'], probes: 4 },
    })
    assert.equal(result.phases[0]?.files.length, 1)
  })

  it('of other classes is refused; a file without one, and a run without either, say what to do', async () => {
    const evaluate = (name: string, pretrained: string | false): Promise<unknown> =>
      run(name, ['evaluate'], { backbone: { ...backbone, pretrained } })
    const snapshotError =
      (pattern: RegExp) =>
      (error: unknown): boolean => {
        assert.ok(error instanceof SnapshotError, String(error))
        assert.match(error.message, pattern)
        return true
      }
    await assert.rejects(evaluate('four', four), snapshotError(/the data set's 10 classes, but that of .* has 4/))
    await assert.rejects(evaluate('none', features), snapshotError(/expected a classifier, but the file has none/))
    await assert.rejects(evaluate('nothing', false), /or backbone\.pretrained with a classifier/)
  })
})

describe('training from published weights', () => {
  const short = { epochs: 1, batchSize: 256, useValidation: false }

  it('starts from the file and trains a head of its own', async () => {
    await run('from-file', ['train'], { backbone: { ...backbone, pretrained: four }, train: short })
    assert.match(heard.join('\n'), /four\.safetensors: its classifier \(fc\.weight, fc\.bias\) is not used/)
  })

  it('a teacher may be weights with their classifier, of another network than the student’s', async () => {
    const distill = {
      ...short,
      teacherBackbonePath: file,
      teacherBackbone: { ...backbone },
    }
    const student = { name: 'small_cnn', width: 2 }
    await run('distilled', ['distill'], { backbone: student, distill })
    await assert.rejects(
      run('distilled-wrong', ['distill'], { backbone: student, distill: { ...short, teacherBackbonePath: file } }),
      (error) => {
        assert.ok(error instanceof SnapshotError)
        assert.match(error.message, /small\.safetensors: the weights do not fit this network/)
        return true
      },
    )
    await assert.rejects(
      run('distilled-four', ['distill'], { backbone: student, distill: { ...distill, teacherBackbonePath: four } }),
      /a teacher of 10 classes, got one of 4/,
    )
  })

  it('weights that are not there end a pipeline before it trains', async () => {
    const missing = join(root, 'missing.pth')
    const phases = ['train', 'distill'] as const
    for (const [name, given] of [
      ['missing-own', { distill: { ...short, backbone: { ...backbone, pretrained: missing } } }],
      ['missing-teacher', { distill: { ...short, teacherBackbonePath: missing } }],
    ] as const) {
      await assert.rejects(
        run(name, phases, { backbone, train: short, ...given }),
        /missing\.pth: there is no such file/,
      )
      assert.ok(!heard.some((line) => line.startsWith('train')), heard.join('\n'))
    }
  })

  it('a teacher’s backbone and head may be two files', async () => {
    const head = join(root, 'head.safetensors')
    await torch.scope(() => saveSafetensors(head, new Map([['weight', torch.ones([10, 16])]])))
    const distill = { ...short, teacherBackbonePath: features, teacherHeadPath: head }
    const result = await run('two-files', ['distill'], { backbone, distill })
    assert.equal(result.outcome, 'finished')
  })

  it('a teacher may be two files of torch.save, as snapshot_epoch_30.pth', async () => {
    const saved = JSON.parse(readFileSync(new URL('../../golden/teacher.json', import.meta.url), 'utf8')) as {
      backbone: string
      head: string
    }
    mkdirSync(join(root, 'head'), { recursive: true })
    const paths = { backbone: join(root, 'snapshot_epoch_30.pth'), head: join(root, 'head', 'snapshot_epoch_30.pth') }
    for (const part of ['backbone', 'head'] as const) {
      writeFileSync(paths[part], Buffer.from(saved[part], 'base64'))
      const { tensors } = await readWeights(paths[part])
      await saveSafetensors(join(root, `${part}-30.safetensors`), tensors)
      for (const tensor of tensors.values()) tensor.dispose()
    }
    const taught = async (name: string, teacherBackbonePath: string, teacherHeadPath: string): Promise<number> => {
      const distill = { ...short, teacherBackbonePath, teacherHeadPath, alpha: 1 }
      const result = await run(name, ['distill'], { backbone, distill })
      assert.equal(result.outcome, 'finished')
      const line = readFileSync(join(result.run.logs, 'metrics.jsonl'), 'utf8').trim().split('\n').at(-1) ?? ''
      return (JSON.parse(line) as { train_loss: number }).train_loss
    }
    const safe = (part: string): string => join(root, `${part}-30.safetensors`)
    const loss = await taught('pth', paths.backbone, paths.head)
    assert.equal(loss, await taught('pth-safe', safe('backbone'), safe('head')))
    assert.notEqual(loss, await taught('pth-other', paths.backbone, join(root, 'head.safetensors')))
    assert.notEqual(loss, await taught('pth-another', features, paths.head))
  })

  it('init_from names snapshots; weights belong to backbone.pretrained', async () => {
    await assert.rejects(run('init', ['train'], { backbone, train: { ...short, initFrom: file } }), (error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /train\.init_from: expected a snapshot folder.*Give them as backbone\.pretrained/)
      return true
    })
  })

  it('a teacher network without its weights is a mistake', () => {
    const parsed = pipelineConfigSchema.safeParse({ distill: { teacherBackbone: backbone } })
    assert.match(parsed.error?.message ?? '', /teacher_backbone needs teacher_backbone_path/)
  })
})
