import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { torch, type Tensor } from '../../../src/binding/index.ts'
import { EmbeddingMemory, supconLoss } from '../../../src/losses/index.ts'
import { ShapeError } from '../../../src/util/errors.ts'
import { float64, gradientError, int64, largestDifference, noise, unitRows, withGradient } from './helpers.ts'

const golden = JSON.parse(readFileSync(new URL('../../golden/supcon_memory.json', import.meta.url), 'utf8')) as {
  labels: number[]
  pastLabels: number[]
  cases: { temperature: number; loss: number; gradient: number[] }[]
}

const past = unitRows(noise(11, 30), 5)
const embeddings = unitRows(noise(1, 40), 5)
const memoryOf = (): { embeddings: Tensor; labels: Tensor } => ({
  embeddings: float64(past, [6, 5]),
  labels: int64(golden.pastLabels),
})

/** One row a batch, its value and label the number of the batch. */
function train(memory: EmbeddingMemory, from: number, to: number): void {
  for (let batch = from; batch < to; batch++)
    torch.scope(() => {
      memory.begin()
      memory.remember(float64([batch, batch], [2, 1]), int64([batch, batch]))
    })
}

test('memory › supervised contrast with it equals the formula and pytorch-metric-learning', () => {
  for (const { temperature, loss, gradient } of golden.cases) {
    const options = { temperature, baseTemperature: null }
    const ours = withGradient((z) => supconLoss(z, int64(golden.labels), options, memoryOf()), embeddings, [8, 5])
    assert.ok(Math.abs(ours.loss - loss) < 1e-10, `${ours.loss} and ${loss}`)
    assert.ok(largestDifference(ours.gradient, gradient) < 1e-10)
  }
})

test('memory › gradient agrees with finite differences, and none reaches the memory', () => {
  const options = { temperature: 0.3, baseTemperature: 0.1 }
  const error = gradientError((z) => supconLoss(z, int64(golden.labels), options, memoryOf()), embeddings, [8, 5])
  assert.ok(error < 1e-6, String(error))
  torch.scope(() => {
    const old = float64(past, [6, 5], true)
    const z = float64(embeddings, [8, 5], true)
    supconLoss(z, int64(golden.labels), options, { embeddings: old, labels: int64(golden.pastLabels) }).backward()
    assert.equal(old.grad, null)
  })
})

test('memory › keeps the latest, oldest first, and never the batch that is being trained on', () => {
  const memory = new EmbeddingMemory(5, 0)
  train(memory, 0, 4)
  const contents = (): number[] | undefined => memory.contents()?.embeddings.toArray()
  assert.deepEqual(contents(), [0, 1, 1, 2, 2])
  memory.begin()
  assert.deepEqual(contents(), [1, 2, 2, 3, 3])
  assert.deepEqual(memory.contents()?.labels.toArray(), [1, 2, 2, 3, 3])
  memory.dispose()
  assert.equal(memory.length, 0)
})

test('memory › is used after its first steps alone', () => {
  const memory = new EmbeddingMemory(8, 3)
  train(memory, 0, 3)
  assert.equal(memory.contents(), null)
  assert.equal(memory.length, 4)
  memory.begin()
  assert.equal(memory.contents()?.embeddings.shape[0], 6)
  memory.dispose()
})

test('memory › comes back from a snapshot as it was, also with another size', () => {
  torch.scope(() => {
    const [first, second, smaller] = [new EmbeddingMemory(6, 2), new EmbeddingMemory(6, 2), new EmbeddingMemory(3, 2)]
    train(first, 0, 3)
    second.restore(first.state(), 'cpu')
    smaller.restore(first.state(), 'cpu')
    train(first, 3, 5)
    train(second, 3, 5)
    const of = (memory: EmbeddingMemory): unknown => [...memory.state()].map(([name, value]) => [name, value.toArray()])
    assert.deepEqual(of(first), of(second))
    smaller.begin()
    assert.deepEqual(smaller.contents()?.labels.toArray(), [1, 2, 2])
    for (const memory of [first, second, smaller]) memory.dispose()
  })
})

test('memory › holds two tensors, whatever passes through it', () => {
  const before = torch.liveTensors()
  const memory = new EmbeddingMemory(4, 0)
  train(memory, 0, 6)
  memory.begin()
  assert.equal(torch.liveTensors(), before + 2)
  memory.dispose()
  assert.equal(torch.liveTensors(), before)
  assert.throws(() => torch.scope(() => memory.remember(float64([1, 2], [2, 1]), int64([1]))), ShapeError)
})
