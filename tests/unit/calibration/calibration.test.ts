import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { brierScore, expectedCalibrationError, reliabilityBins } from '../../../src/calibration/index.ts'
import { predictedClasses } from '../../../src/metrics/index.ts'
import { ConfigError, DatasetError, ShapeError } from '../../../src/util/errors.ts'
import { softmax } from '../../../src/util/softmax.ts'

interface Case {
  numClasses: number
  logits: number[]
  labels: number[]
  ece: Record<string, number>
  brier: number
}
const golden = JSON.parse(readFileSync(new URL('../../golden/calibration.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

function ece(confidences: number[], correct: number[], bins?: number): number {
  return expectedCalibrationError(reliabilityBins(Float64Array.from(confidences), Uint8Array.from(correct), bins))
}

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `expected ${expected}, got ${actual}`)
}

describe('calibration error', () => {
  it('is .475 for [.95 right, 1.0 wrong]: confidence 1 shares the last bin', () => {
    near(ece([0.95, 1], [1, 0]), 0.475, 1e-12)
  })

  it('equals torchmetrics on random probabilities, for 5 and for 15 bins', () => {
    for (const { numClasses, logits, labels, ece: expected } of golden.cases) {
      const probabilities = softmax(Float32Array.from(logits), numClasses)
      const predicted = predictedClasses(probabilities, numClasses)
      const confidences = [...predicted].map((p, row) => probabilities[row * numClasses + p]!)
      const correct = [...predicted].map((p, row) => Number(p === labels[row]))
      for (const [bins, value] of Object.entries(expected)) near(ece(confidences, correct, Number(bins)), value, 1e-6)
      near(ece(confidences, correct), expected['15']!, 1e-6)
    }
  })

  it('is 0 when every prediction is certain and right, 1 when certain and wrong', () => {
    assert.equal(ece([1, 1], [1, 1]), 0)
    assert.equal(ece([1, 1], [0, 0]), 1)
  })
})

describe('reliability bins', () => {
  it('put an edge into the bin below it, 0 into the first and 1 into the last', () => {
    for (const bins of [1, 2, 3, 7, 10, 15, 100]) {
      for (let edge = 0; edge <= bins; edge++) {
        const counts = reliabilityBins(Float64Array.of(edge / bins), Uint8Array.of(1), bins).map((bin) => bin.count)
        assert.equal(counts.indexOf(1), Math.max(0, edge - 1), `edge ${edge} of ${bins}`)
      }
    }
  })

  it('hold the mean confidence and the fraction that is right; an empty bin holds NaN', () => {
    const bins = reliabilityBins(Float64Array.of(0.6, 0.8, 0.1), Uint8Array.of(1, 0, 0), 2)
    assert.deepEqual(bins[0], { lower: 0, upper: 0.5, count: 1, confidence: 0.1, accuracy: 0 })
    near(bins[1]!.confidence, 0.7, 1e-12)
    assert.equal(bins[1]!.accuracy, 0.5)
    assert.ok(Number.isNaN(reliabilityBins(Float64Array.of(0.9), Uint8Array.of(1), 2)[0]!.accuracy))
  })

  it('take 1 + rounding as 1, and refuse what is no probability', () => {
    assert.equal(reliabilityBins(Float64Array.of(1 + 1e-12), Uint8Array.of(1))[14]!.count, 1)
    for (const bad of [-0.1, 1.1, NaN]) {
      assert.throws(() => reliabilityBins(Float64Array.of(bad), Uint8Array.of(1)), ShapeError)
    }
  })

  it('refuse no samples, lengths that disagree and a number of bins below 1', () => {
    assert.throws(() => reliabilityBins(new Float64Array(0), new Uint8Array(0)), DatasetError)
    assert.throws(() => reliabilityBins(Float64Array.of(1), new Uint8Array(2)), ShapeError)
    for (const bins of [0, 1.5]) {
      assert.throws(() => reliabilityBins(Float64Array.of(1), new Uint8Array(1), bins), ConfigError)
    }
  })
})

describe('Brier score', () => {
  it('equals scikit-learn', () => {
    for (const { numClasses, logits, labels, brier } of golden.cases) {
      const probabilities = softmax(Float32Array.from(logits), numClasses)
      near(brierScore(probabilities, Int32Array.from(labels), numClasses), brier, 1e-12)
    }
  })

  it('is 0 when certain and right, 2 when certain and wrong', () => {
    assert.equal(brierScore(Float64Array.of(1, 0), Int32Array.of(0), 2), 0)
    assert.equal(brierScore(Float64Array.of(1, 0), Int32Array.of(1), 2), 2)
  })
})
