import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { BindingError, ShapeError, SnapshotError } from '../../../src/binding/index.ts'
import { exportOnnx, serializeModel } from '../../../src/export/index.ts'
import { openPredictor } from '../../../src/predict/index.ts'
import { readManifest } from '../../../src/predict/manifest.ts'
import { classNames, images, nativeProbabilities, preprocessing, smallClassifier } from '../export/small-classifier.ts'

let folder = ''
let path = ''
let bytes: Buffer
let expected: number[] = []
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trivium-predict-'))
  path = join(folder, 'run', 'export', 'model.onnx')
  const classifier = await smallClassifier()
  await exportOnnx({ classifier, imageSize: 8, classNames, preprocessing, path, probes: images(7) })
  expected = await nativeProbabilities(classifier, images(7))
  bytes = await readFile(path)
})
after(() => rm(folder, { recursive: true, force: true }))

async function written(name: string, content: Uint8Array | string): Promise<string> {
  const target = join(folder, name)
  await writeFile(target, content)
  return target
}

function refuses(reason: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SnapshotError, String(error))
    assert.match(error.message, reason)
    return true
  }
}

describe('predict', () => {
  test('gives the native probabilities, in the order of the images, for any batch size', async () => {
    for (const batchSize of [1, 3, 32]) {
      const predictor = await openPredictor(path, { batchSize, threads: 1 })
      const predictions = await predictor.predict(images(7))
      await predictor.dispose()
      assert.equal(predictions.length, 7)
      predictions.forEach(({ label, index, confidence, probabilities }, n) => {
        const row = expected.slice(n * 5, n * 5 + 5)
        row.forEach((value, c) => assert.ok(Math.abs(value - (probabilities[c] as number)) < 1e-5))
        assert.equal(index, row.indexOf(Math.max(...row)))
        assert.equal(label, classNames[index])
        assert.equal(confidence, probabilities[index])
      })
    }
  })

  test('knows the classes and the preprocessing of training', async () => {
    const predictor = await openPredictor(path)
    assert.deepEqual(predictor.classNames, classNames)
    assert.equal(predictor.imageSize, 8)
    assert.deepEqual(predictor.preprocessing, preprocessing)
    assert.deepEqual(await predictor.predict([]), [])
    await predictor.dispose()
  })

  test('finds the model in a folder, in its export folder, and asks when there are several', async () => {
    for (const place of [join(folder, 'run'), join(folder, 'run', 'export')]) {
      const predictor = await openPredictor(place)
      assert.equal(predictor.path, path)
      await predictor.dispose()
    }
    const several = join(folder, 'several')
    await mkdir(several)
    await writeFile(join(several, 'a.onnx'), bytes)
    await writeFile(join(several, 'b.onnx'), bytes)
    await assert.rejects(openPredictor(several), refuses(/found a\.onnx, b\.onnx/))
    await mkdir(join(folder, 'none'))
    await assert.rejects(openPredictor(join(folder, 'none')), refuses(/there is none.*--phases export/))
    await assert.rejects(openPredictor(join(folder, 'nowhere')), refuses(/there is nothing/))
  })

  test('refuses what is not an ONNX file, or one cut off', async () => {
    await assert.rejects(
      openPredictor(await written('text.onnx', 'hello, this is no model')),
      refuses(/of another format/),
    )
    await assert.rejects(openPredictor(await written('empty.onnx', '')), refuses(/of another format/))
    await assert.rejects(
      openPredictor(await written('half.onnx', bytes.subarray(0, bytes.length / 2))),
      refuses(/cut off/),
    )
  })

  test('refuses an ONNX file of somebody else', async () => {
    const foreign = serializeModel({
      name: 'foreign',
      producerVersion: '1',
      nodes: [],
      initializers: [],
      inputs: [],
      outputs: [],
      metadata: {},
    })
    await assert.rejects(openPredictor(await written('foreign.onnx', foreign)), refuses(/lacks trivium\.format/))
  })

  test('refuses a single flipped bit in a weight', async () => {
    const damaged = Buffer.from(bytes)
    const at = Math.floor(damaged.length / 2)
    damaged[at] = (damaged[at] as number) ^ 1
    await assert.rejects(openPredictor(await written('flipped.onnx', damaged)), refuses(/SHA-256.*damaged/))
  })

  test('refuses metadata of a newer format and metadata that is not what it should be', () => {
    const withMetadata = (metadata: Record<string, string>): Buffer =>
      serializeModel({
        name: 'm',
        producerVersion: '1',
        nodes: [],
        initializers: [],
        inputs: [],
        outputs: [],
        metadata,
      })
    const good = {
      'trivium.format': '1',
      'trivium.class_names': '["a"]',
      'trivium.preprocessing': JSON.stringify({
        resize_to: 9,
        image_size: 8,
        interpolation: 'bicubic',
        mean: [0, 0, 0],
        std: [1, 1, 1],
      }),
    }
    assert.deepEqual(readManifest(withMetadata(good), 'm').classNames, ['a'])
    const bad: [Record<string, string>, RegExp][] = [
      [{ 'trivium.format': '2' }, /newer version/],
      [{ 'trivium.class_names': '[]' }, /trivium\.class_names/],
      [{ 'trivium.class_names': '[1]' }, /trivium\.class_names/],
      [{ 'trivium.preprocessing': '{' }, /trivium\.preprocessing/],
      [{ 'trivium.preprocessing': 'null' }, /trivium\.preprocessing/],
      [{ 'trivium.preprocessing': good['trivium.preprocessing'].replace('8', '-8') }, /trivium\.preprocessing/],
      [
        { 'trivium.preprocessing': good['trivium.preprocessing'].replace('bicubic', 'nearest') },
        /trivium\.preprocessing/,
      ],
    ]
    for (const [change, reason] of bad) {
      assert.throws(() => readManifest(withMetadata({ ...good, ...change }), 'm'), refuses(reason))
    }
  })

  test('meets thousands of damaged files with SnapshotError alone', () => {
    let seed = 12345
    const below = (bound: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return seed % bound
    }
    // The metadata is at the end, the graph's frame at the start: damage is aimed there, where the reader looks.
    const tail = bytes.length - 700
    let accepted = 0
    for (let i = 0; i < 3000; i++) {
      let damaged = Buffer.from(i % 2 === 0 ? bytes.subarray(0, 40 + below(200)) : bytes)
      for (let edits = 1 + below(3); edits > 0; edits--) {
        const at = Math.min(damaged.length - 1, below(2) === 0 ? below(40) : tail + below(700))
        if (below(8) === 0) damaged = damaged.subarray(0, at + 1)
        else damaged[at] = below(256)
      }
      try {
        readManifest(damaged, 'damaged')
        accepted++
      } catch (error) {
        assert.ok(error instanceof SnapshotError, String(error))
      }
    }
    // A changed byte of a class name or a number in the metadata still reads; the graph itself never changes unseen.
    assert.ok(accepted < 1000, String(accepted))
  })

  test('names an image of the wrong size, and refuses work after dispose', async () => {
    const predictor = await openPredictor(path)
    await assert.rejects(predictor.predict([...images(1), new Uint8Array(5)]), (error: unknown) => {
      assert.ok(error instanceof ShapeError)
      assert.match(error.message, /image 1 to have 8 × 8 × 3 = 192 bytes, but it has 5/)
      return true
    })
    await predictor.dispose()
    await predictor.dispose()
    await assert.rejects(predictor.predict(images(1)), BindingError)
  })
})
