import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { torch } from '../../../src/binding/index.ts'
import { jensenShannonLoss } from '../../../src/losses/index.ts'
import { ShapeError } from '../../../src/util/errors.ts'
import { float64, gradientError, largestDifference, noise, withGradient } from './helpers.ts'

const golden = JSON.parse(readFileSync(new URL('../../golden/consistency.json', import.meta.url), 'utf8')) as {
  loss: number
  gradient: number[]
}
const logits = noise(7, 60).map((value) => value * 4)

test('jensen-shannon › equals the authors’ lines, value and gradient', () => {
  const ours = withGradient((z) => jensenShannonLoss(z, 3), logits, [12, 5])
  assert.ok(Math.abs(ours.loss - golden.loss) < 1e-12)
  assert.ok(largestDifference(ours.gradient, golden.gradient) < 1e-12)
})

test('jensen-shannon › its gradient is that of finite differences', () => {
  assert.ok(gradientError((z) => jensenShannonLoss(z, 2), noise(9, 24), [6, 4]) < 1e-7)
})

test('jensen-shannon › is 0 where the versions agree and log(views) where they exclude each other, without overflow', () => {
  torch.scope(() => {
    const same = [3, -1, 2, 0.5]
    assert.ok(Math.abs(jensenShannonLoss(float64([...same, ...same, ...same], [6, 2]), 3).item()) < 1e-15)
    const far = jensenShannonLoss(float64([1e4, 0, 0, 1e4], [2, 2]), 2).item()
    assert.ok(Math.abs(far - Math.log(2)) < 1e-12, `${far}`)
  })
})

test('jensen-shannon › refuses rows that are not so many views of each sample', () => {
  torch.scope(() => {
    assert.throws(() => jensenShannonLoss(float64(same(10), [5, 2]), 3), ShapeError)
    assert.throws(() => jensenShannonLoss(float64(same(8), [4, 2]), 1), ShapeError)
  })
})

const same = (count: number): number[] => Array.from({ length: count }, () => 1)
