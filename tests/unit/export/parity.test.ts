import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compareAnswers } from '../../../src/export/parity.ts'
import { NonFiniteError, SnapshotError } from '../../../src/util/errors.ts'

const answers = (...logits: number[]): { logits: Float32Array; classes: number } => ({
  logits: Float32Array.from(logits),
  classes: 2,
})

describe('parity', () => {
  test('reports the largest difference of a logit and the share of equal top classes', () => {
    const parity = compareAnswers(answers(1, 0, 0.5, 0.25), answers(1, 0.125, 0.5, 0.25), 0.2, 'm')
    assert.deepEqual(parity, { maxAbsoluteDifference: 0.125, top1Agreement: 1, images: 2 })
  })

  test('scales the tolerance with the largest logit, never below 1', () => {
    compareAnswers(answers(100, 0), answers(100.05, 0), 1e-3, 'm')
    assert.throws(() => compareAnswers(answers(100, 0), answers(100.2, 0), 1e-3, 'm'), SnapshotError)
    compareAnswers(answers(0.01, 0), answers(0.0105, 0), 1e-3, 'm')
    assert.throws(() => compareAnswers(answers(0.01, 0), answers(0.02, 0), 1e-3, 'm'), SnapshotError)
  })

  test('counts a changed top class within a tie, but does not fail for it', () => {
    const parity = compareAnswers(answers(1, 0.9999), answers(0.9999, 1), 1e-3, 'm')
    assert.equal(parity.top1Agreement, 0)
  })

  test('fails with both figures when the models disagree', () => {
    assert.throws(
      () => compareAnswers(answers(1, 0, 0, 1), answers(1, 0, 1, 0), 1e-3, 'out/model.onnx'),
      (error: unknown) =>
        error instanceof SnapshotError && /out\/model\.onnx.*1\.00e\+0.*agrees on 1 of 2/.test(error.message),
    )
  })

  test('fails for NaN in the exported model and for another number of logits', () => {
    assert.throws(() => compareAnswers(answers(1, 0), answers(NaN, 0), 1e9, 'm'), SnapshotError)
    assert.throws(
      () => compareAnswers(answers(1, 0), { logits: new Float32Array(3), classes: 3 }, 1, 'm'),
      SnapshotError,
    )
  })

  test('blames the native model for its own NaN', () => {
    assert.throws(() => compareAnswers(answers(NaN, 0), answers(NaN, 0), 1, 'm'), NonFiniteError)
  })
})
