/** Several versions of each picture in a batch, multi-crop and AugMix's consistency: what the network sees, and what is refused. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  AugmentationStage,
  DataLoaderStage,
  ModelLoaderStage,
  pipelineConfigSchema,
  PipelineOrchestrator,
  silentProgress,
  TrainingStage,
  type StageContext,
} from '../../src/phases/index.ts'
import { ConfigError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-views-'))
after(() => rmSync(root, { recursive: true, force: true }))

let runs = 0
/** What the last step was shown with. */
let shown: string[] = []

/** Shapes of the pictures that the backbone was given in two steps of a phase. */
async function shapesOf(
  phase: 'supcon' | 'train',
  options: object,
  backbone: object = { name: 'small_cnn', width: 8 },
): Promise<number[][]> {
  const shapes: number[][] = []
  const config = pipelineConfigSchema.parse({
    run: { name: `run${runs++}`, directory: root },
    device: 'cpu',
    data: { dataset: 'digits', imageSize: 32 },
    backbone,
    ...Object.fromEntries(['train', 'supcon', 'arcface', 'distill'].map((name) => [name, { enabled: false }])),
    [phase]: { enabled: true, steps: 2, batchSize: 16, emaDecay: 0, useValidation: false, ...options },
  })
  const listen = {
    name: 'listen',
    async run(context: StageContext) {
      const make = context.createBackbone
      assert.ok(make !== null)
      context.createBackbone = async (request) => {
        const model = await make(request)
        const { native } = model
        const forward = native.forward.bind(native)
        native.forward = (images) => {
          shapes.push([...images.shape])
          return forward(images)
        }
        return model
      }
      return Promise.resolve()
    },
  }
  await new PipelineOrchestrator()
    .addStage(new DataLoaderStage())
    .addStage(new AugmentationStage())
    .addStage(new ModelLoaderStage())
    .addStage(listen)
    .addStage(new TrainingStage())
    .run(config, {
      progress: { ...silentProgress, update: (_, values = {}) => void (shown = Object.keys(values)) },
    })
  return shapes
}

test('local crops › each image comes in two views and in so many small crops of the asked size', async () => {
  assert.deepEqual(await shapesOf('supcon', {}), [
    [32, 3, 32, 32],
    [32, 3, 32, 32],
  ])
  assert.deepEqual(await shapesOf('supcon', { localCrops: { views: 3, imageSize: 16 } }), [
    [32, 3, 32, 32],
    [48, 3, 16, 16],
    [32, 3, 32, 32],
    [48, 3, 16, 16],
  ])
})

test('local crops › a network of one size says so', async () => {
  await assert.rejects(
    shapesOf('supcon', { localCrops: { imageSize: 20 } }, { name: 'vit_test' }),
    (error: unknown) => error instanceof ConfigError && /supcon\.local_crops\.image_size/.test(error.message),
  )
})

test('local crops › beside mixing they are refused', () => {
  assert.throws(
    () => pipelineConfigSchema.parse({ supcon: { localCrops: { imageSize: 16 }, mixMethod: 'mixup' } }),
    /no label of their own/,
  )
})

test('consistency › a clean and two augmented versions of each picture are one batch, and the step has both losses', async () => {
  assert.deepEqual(await shapesOf('train', { jsdWeight: 12, augmentations: { randomCrop: true, augmix: true } }), [
    [48, 3, 32, 32],
    [48, 3, 32, 32],
  ])
  assert.deepEqual(shown, ['epoch', 'loss', 'labels', 'jsd'])
  assert.deepEqual(await shapesOf('train', { augmentations: { augmix: true } }), [
    [16, 3, 32, 32],
    [16, 3, 32, 32],
  ])
})

test('consistency › without a policy there is nothing to compare; a margin gives no probabilities', async () => {
  await assert.rejects(
    shapesOf('train', { jsdWeight: 12, augmentations: { randomCrop: true } }),
    (error: unknown) => error instanceof ConfigError && /needs augmix, randaugment/.test(error.message),
  )
  assert.throws(
    () => pipelineConfigSchema.parse({ train: { jsdWeight: 1, lossFunction: 'arcface' } }),
    /which arcface does not give/,
  )
})
