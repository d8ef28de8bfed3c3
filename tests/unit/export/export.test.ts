import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import onnxProto from 'onnx-proto'
import type { onnx } from 'onnx-proto'
import {
  NativeModule,
  NonFiniteError,
  ShapeError,
  SnapshotError,
  listBackbones,
  torch,
} from '../../../src/binding/index.ts'
import { exportOnnx, exportTorchScript } from '../../../src/export/index.ts'
import { classNames, images, preprocessing, smallClassifier } from './small-classifier.ts'
import { liveTensors } from '../../support/live-tensors.ts'

let folder = ''
let classifier: NativeModule
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trivium-export-'))
  classifier = await smallClassifier()
})
after(() => rm(folder, { recursive: true, force: true }))

const options = (more: object = {}): Parameters<typeof exportOnnx>[0] => ({
  classifier,
  imageSize: 8,
  classNames,
  preprocessing,
  path: join(folder, 'model.onnx'),
  probes: images(5),
  ...more,
})

async function decode(path: string): Promise<onnx.ModelProto> {
  return onnxProto.onnx.ModelProto.decode(await readFile(path))
}

describe('export', () => {
  test('writes an ONNX file that agrees with the native model, and reports how well', async () => {
    const report = await exportOnnx(options({ metadata: { run: 'unit' } }))
    assert.equal(report.path, join(folder, 'model.onnx'))
    assert.equal(report.opset, 17)
    assert.equal(report.top1Agreement, 1)
    assert.ok(report.maxAbsoluteDifference < 1e-4, String(report.maxAbsoluteDifference))
    assert.equal(report.bytes, (await readFile(report.path)).length)
    const model = await decode(report.path)
    assert.equal(model.graph?.node?.length, report.nodes)
    assert.deepEqual(
      model.graph?.output?.map(({ name }) => name),
      ['logits', 'probabilities', 'features'],
    )
    const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [String(key), String(value)]))
    assert.deepEqual(JSON.parse(metadata['trivium.class_names'] ?? ''), classNames)
    assert.deepEqual(JSON.parse(metadata['trivium.preprocessing'] ?? ''), {
      resize_to: 9,
      image_size: 8,
      interpolation: 'bilinear',
      mean: preprocessing.mean,
      std: preprocessing.std,
    })
    assert.equal(metadata['run'], 'unit')
    assert.match(metadata['trivium.version'] ?? '', /^\d+\.\d+\.\d+/)
  })

  test('keeps the weights under their own names', async () => {
    const { graph } = await decode((await exportOnnx(options())).path)
    const names = new Set(graph?.initializer?.map(({ name }) => name))
    const own = torch.scope(() => [...classifier.namedParameters().keys()])
    assert.deepEqual(
      own.filter((name) => !names.has(name)),
      [],
    )
  })

  // The tiny variant of every family that the registry lists: a new family is covered by being there.
  const tiny = listBackbones().filter(({ name }) => name.endsWith('_test') || name === 'small_cnn')
  for (const { name } of tiny) {
    for (const head of ['cosine', 'linear', null] as const) {
      test(`exports ${name} with ${head === null ? 'its own classifier' : `a ${head} head`}`, async () => {
        const network = await smallClassifier(name, { imageSize: 32, head })
        const report = await exportOnnx(
          options({ classifier: network, imageSize: 32, probes: images(4, 32), path: join(folder, `${name}.onnx`) }),
        )
        assert.equal(report.top1Agreement, 1)
        network.dispose()
      })
    }
  }

  test('leaves the earlier file alone, and no other, when the models disagree', async () => {
    const place = await mkdtemp(join(folder, 'disagree-'))
    const path = join(place, 'model.onnx')
    await writeFile(path, 'earlier')
    await assert.rejects(exportOnnx(options({ path, tolerance: 1e-12 })), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.match(error.message, /disagrees with the native one on 5 real images/)
      return true
    })
    assert.equal(await readFile(path, 'utf8'), 'earlier')
    assert.deepEqual(await readdir(place), ['model.onnx'])
  })

  test('exports in evaluation mode, whatever the mode was', async () => {
    classifier.train(true)
    const first = await exportOnnx(options())
    assert.equal(first.top1Agreement, 1)
  })

  test('names a probe of the wrong size, missing probes and missing class names', async () => {
    await assert.rejects(exportOnnx(options({ probes: [new Uint8Array(7)] })), (error: unknown) => {
      assert.ok(error instanceof ShapeError)
      assert.match(error.message, /probe 0 to have 8 × 8 × 3 = 192 bytes, but it has 7/)
      return true
    })
    await assert.rejects(exportOnnx(options({ probes: [] })), ShapeError)
    await assert.rejects(exportOnnx(options({ classNames: ['a'] })), /each of the model's 5 classes, but got 1/)
  })

  test('refuses weights that give NaN, in both formats', async () => {
    const network = await smallClassifier('small_cnn', { head: 'linear' })
    await torch.scope(async () => {
      const state = network.stateDict()
      const bias = torch.tensor(new Float32Array(classNames.length).fill(NaN))
      await network.loadStateDict(new Map([...state, ['head.fc.bias', bias]]))
    })
    const path = join(folder, 'nan')
    await assert.rejects(exportOnnx(options({ classifier: network, path })), NonFiniteError)
    await assert.rejects(exportTorchScript(options({ classifier: network, path })), NonFiniteError)
    assert.ok(!(await readdir(folder)).includes('nan'))
    network.dispose()
  })

  test('names the path when the file cannot be written', async () => {
    const path = join(folder, 'model.onnx', 'inside', 'x.onnx')
    await exportOnnx(options())
    await assert.rejects(exportOnnx(options({ path })), (error: unknown) => {
      assert.ok(error instanceof SnapshotError)
      assert.ok(error.message.includes(path))
      return true
    })
    await assert.rejects(exportTorchScript(options({ path })), SnapshotError)
  })

  test('frees every tensor it makes', async () => {
    await exportOnnx(options())
    const live = await liveTensors()
    await exportOnnx(options())
    await exportTorchScript(options({ path: join(folder, 'again.pt') }))
    assert.equal(torch.liveTensors(), live)
  })

  test('writes TorchScript as a zip archive with the metadata inside', async () => {
    const place = await mkdtemp(join(folder, 'script-'))
    const report = await exportTorchScript(options({ path: join(place, 'model.pt') }))
    const bytes = await readFile(report.path)
    assert.equal(bytes.length, report.bytes)
    assert.equal(bytes.subarray(0, 2).toString(), 'PK')
    assert.ok(bytes.includes('extra/trivium.class_names'))
    assert.ok(bytes.includes(JSON.stringify(classNames)))
    assert.deepEqual(await readdir(place), ['model.pt'])
  })
})

describe('export of adapters', () => {
  test('writes the merged network, and leaves the adapters as they were', async () => {
    torch.manualSeed(3)
    const backbone = await NativeModule.createBackbone('vit_test', { num_classes: classNames.length, image_size: 32 })
    await backbone.attachAdapters({ lora_rank: 2, use_ia3: true, seed: 1 })
    await torch.noGrad(() =>
      torch.scope(() => {
        const trained = backbone.stateDict()
        for (const name of backbone.adapterNames()) {
          const start = trained.get(name)!
          trained.set(name, torch.ops.add(start, torch.ops.mul(torch.ops.cos(start), 0.3)))
        }
        return backbone.loadStateDict(trained)
      }),
    )
    const { mean, std } = preprocessing
    const network = await NativeModule.createClassifier({ backbone, head: null, logitScale: 1, mean, std })
    const before = torch.scope(() => new Map([...network.stateDict()].map(([name, t]) => [name, t.toArray()])))
    const more = { classifier: network, imageSize: 32, probes: images(4, 32) }
    const report = await exportOnnx(options({ ...more, path: join(folder, 'adapted.onnx') }))
    assert.ok(report.maxAbsoluteDifference < 1e-4, String(report.maxAbsoluteDifference))
    const { graph } = await decode(report.path)
    const names = graph?.initializer?.map(({ name }) => String(name)) ?? []
    assert.ok(names.includes('backbone.blocks.0.attn.qkv.weight'))
    assert.deepEqual(
      names.filter((name) => /lora|ia3/.test(name)),
      [],
    )
    const plain = await exportOnnx(
      options({ ...more, classifier: await smallClassifier('vit_test', { imageSize: 32, head: null }) }),
    )
    assert.equal(report.nodes, plain.nodes)
    await exportTorchScript(options({ ...more, path: join(folder, 'adapted.pt') }))
    const after = torch.scope(() => new Map([...network.stateDict()].map(([name, t]) => [name, t.toArray()])))
    assert.deepEqual(after, before)
    assert.ok([...after.keys()].some((name) => name.endsWith('lora_A')))
  })
})
