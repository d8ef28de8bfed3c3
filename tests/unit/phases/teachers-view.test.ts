import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NativeModule, torch } from '../../../src/binding/index.ts'
import { rampOf } from '../../../src/phases/distill.ts'
import type { PhaseContext } from '../../../src/phases/context.ts'
import { distillOptionsSchema } from '../../../src/phases/options/distill.ts'
import { openTeacher } from '../../../src/phases/teacher.ts'
import { toTeachersView } from '../../../src/phases/teachers-view.ts'

const student = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.5], imageSize: 8 }
const pixel = (i: number): number => (Math.sin(i * 1.3) + 1) / 2

/** A picture [1, 3, 8, 8] of pixels in [0, 1], normalised. */
function normalised({ mean, std }: { mean: readonly number[]; std: readonly number[] }): Float32Array {
  return Float32Array.from({ length: 192 }, (_, i) => {
    const channel = Math.floor(i / 64)
    return (pixel(i) - mean[channel]!) / std[channel]!
  })
}

test('teacher › sees the same pixels with its own normalisation', () => {
  const teacher = { mean: [0.1, 0.9, 0.3], std: [1, 0.5, 0.25], imageSize: 8 }
  torch.scope(() => {
    const images = torch.tensor(normalised(student), { shape: [1, 3, 8, 8] })
    const seen = toTeachersView(images, student, teacher).toArray()
    normalised(teacher).forEach((value, i) => assert.ok(Math.abs(value - seen[i]!) < 1e-5))
    assert.equal(toTeachersView(images, student, { ...student }), images)
  })
})

test('teacher › sees the picture at its own size; smaller without aliasing', () => {
  torch.scope(() => {
    const stripes = Float32Array.from({ length: 192 }, (_, i) => i % 2)
    const images = torch.tensor(stripes, { shape: [1, 3, 8, 8] })
    const smaller = toTeachersView(images, student, { ...student, imageSize: 4 })
    assert.deepEqual(smaller.shape, [1, 3, 4, 4])
    assert.ok(smaller.toArray().every((value) => value > 0.2 && value < 0.8))
    assert.deepEqual(toTeachersView(images, student, { ...student, imageSize: 16 }).shape, [1, 3, 16, 16])
  })
})

test('teacher › counts more from epoch to epoch of its warm-up', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((epoch) => rampOf(4, epoch)),
    [0.25, 0.5, 0.75, 1, 1],
  )
  assert.equal(rampOf(0, 0), 1)
})

test('teacher › the student’s own average evaluates: its batch statistics neither act nor move, and nothing flows back', async () => {
  await torch.scope(async () => {
    const backbone = await NativeModule.createBackbone('small_cnn', { num_classes: 0, width: 4, seed: 1 })
    const numFeatures = backbone.info.numFeatures as number
    const head = await NativeModule.createHead('cosine', { in_features: numFeatures, out_features: 3, seed: 2 })
    const images = torch.tensor(
      Float32Array.from({ length: 4 * 3 * 64 }, (_, i) => Math.sin(i * 0.7) * 2),
      { shape: [4, 3, 8, 8] },
    )
    backbone.train(false)
    const expected = (await head.forward(await backbone.forward(images))).toArray().map((cosine) => 7 * cosine)
    backbone.train(true)
    head.train(true)
    const spec = { ...student, logitScale: 7, head: { kind: 'cosine', subCenters: 1 }, backbone: { name: 'small_cnn' } }
    const emaPair = { backbone, head, numFeatures, dispose() {} }
    const teacher = await openTeacher(
      distillOptionsSchema.parse({ teacher: 'student_ema' }),
      { spec, emaPair, precision: 'float32' } as unknown as Parameters<typeof openTeacher>[1],
      {} as PhaseContext,
    )
    const buffers = (): number[][] => [...backbone.namedBuffers().values()].map((buffer) => buffer.toArray())
    const before = buffers()
    const { logits, features } = await teacher.look(images)
    logits.toArray().forEach((logit, i) => assert.ok(Math.abs(logit - (expected[i] ?? NaN)) < 1e-5))
    assert.ok(!logits.requiresGrad && !features.requiresGrad)
    backbone.train(true)
    const [map] = await teacher.activations(images, torch.zeros([4], { dtype: 'int64' }))
    assert.ok(map !== undefined && !map.requiresGrad && map.toArray().every((value) => value >= 0))
    assert.deepEqual(buffers(), before)
  })
})
