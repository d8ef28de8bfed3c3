import assert from 'node:assert/strict'
import { test } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { rampOf } from '../../../src/phases/distill.ts'
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
