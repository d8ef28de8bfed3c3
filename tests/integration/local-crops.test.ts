/** Multi-crop in contrastive pretraining: what the network sees, and what is refused. */
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
  TrainingStage,
  type StageContext,
} from '../../src/phases/index.ts'
import { ConfigError } from '../../src/util/errors.ts'

const root = mkdtempSync(join(tmpdir(), 'trivium-local-crops-'))
after(() => rmSync(root, { recursive: true, force: true }))

type Input = Parameters<typeof pipelineConfigSchema.parse>[0]

/** Shapes of the pictures that the backbone was given in two steps of supcon, and the loss of the last. */
async function shapesOf(name: string, supcon: object, backbone: object = { name: 'small_cnn', width: 8 }) {
  const shapes: number[][] = []
  const config = pipelineConfigSchema.parse({
    run: { name, directory: root },
    device: 'cpu',
    data: { dataset: 'digits', imageSize: 32 },
    backbone,
    supcon: { steps: 2, batchSize: 16, emaDecay: 0, useValidation: false, ...supcon },
    arcface: { enabled: false },
    distill: { enabled: false },
  } as Input)
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
    .run(config)
  return shapes
}

test('local crops › each image comes in two views and in so many small crops of the asked size', async () => {
  assert.deepEqual(await shapesOf('none', {}), [
    [32, 3, 32, 32],
    [32, 3, 32, 32],
  ])
  assert.deepEqual(await shapesOf('three', { localCrops: { views: 3, imageSize: 16 } }), [
    [32, 3, 32, 32],
    [48, 3, 16, 16],
    [32, 3, 32, 32],
    [48, 3, 16, 16],
  ])
})

test('local crops › a network of one size says so', async () => {
  await assert.rejects(
    shapesOf('vit', { localCrops: { imageSize: 20 } }, { name: 'vit_test' }),
    (error: unknown) => error instanceof ConfigError && /supcon\.local_crops\.image_size/.test(error.message),
  )
})

test('local crops › beside mixing they are refused', () => {
  assert.throws(
    () => pipelineConfigSchema.parse({ supcon: { localCrops: { imageSize: 16 }, mixMethod: 'mixup' } } as Input),
    /no label of their own/,
  )
})
