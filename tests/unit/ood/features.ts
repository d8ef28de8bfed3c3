/** Cases of tests/golden/ood.json and small helpers of the tests of detectors over features. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { DetectorInput, DetectorTrainingInput } from '../../../src/ood/index.ts'

type Numbers = readonly number[]

export interface Case {
  readonly name: string
  readonly classes: number
  readonly features: number
  readonly labels: Numbers
  readonly train: Numbers
  readonly trainLogits: Numbers
  readonly test: Numbers
  readonly testLogits: Numbers
  readonly weight: Numbers
  readonly bias: Numbers
  readonly mahalanobis: Numbers
  readonly mahalanobisNormalized: Numbers
  readonly mahalanobisRelative: Numbers
  readonly mahalanobisRelativeNormalized: Numbers
  readonly neutralPoint: Numbers
  readonly vimAlpha: number
  readonly vim: Numbers
  readonly vimThird: Numbers
  readonly vimNormalized: Numbers
}

export const cases: readonly Case[] = (
  JSON.parse(readFileSync(new URL('../../golden/ood.json', import.meta.url), 'utf8')) as { cases: Case[] }
).cases

/** @param change of each feature row */
export function inputsOf(
  { classes, features, labels, train, trainLogits, test, testLogits }: Case,
  change: (row: number[]) => number[] = (row) => row,
): { train: DetectorTrainingInput; test: DetectorInput } {
  const matrix = (values: Numbers, columns: number, map: (row: number[]) => number[]) => {
    const count = values.length / columns
    const rows = Array.from({ length: count }, (_, i) => map(values.slice(i * columns, (i + 1) * columns)))
    return { values: Float64Array.from(rows.flat()), columns: rows[0]!.length }
  }
  const side = (own: Numbers, logits: Numbers): DetectorInput => ({
    logits: matrix(logits, classes, (row) => row),
    features: matrix(own, features, change),
  })
  return { train: { ...side(train, trainLogits), labels: Int32Array.from(labels) }, test: side(test, testLogits) }
}

export function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, relative: number): void {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!]
    assert.ok(Math.abs(a - e) <= relative * Math.max(1, Math.abs(e)), `${i}: expected ${e}, got ${a}`)
  }
}
