import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  classReport,
  confusionMatrix,
  negativeLogLikelihood,
  predictedClasses,
  topClasses,
  topKAccuracy,
} from '../../../src/metrics/index.ts'
import { ConfigError, DatasetError, NonFiniteError, ShapeError } from '../../../src/util/errors.ts'

interface Averages {
  precision: number
  recall: number
  f1: number
}
interface Case {
  name: string
  numClasses: number
  logits: number[]
  labels: number[]
  confusion: number[]
  precision: number[]
  recall: number[]
  f1: number[]
  support: number[]
  macro: Averages
  weighted: Averages
  topK: Record<string, number>
  nll: number
}
const golden = JSON.parse(readFileSync(new URL('../../golden/metrics.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}

function near(actual: number, expected: number, what: string, tolerance = 1e-12): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: expected ${expected}, got ${actual}`)
}

for (const expected of golden.cases) {
  describe(`metrics › equals scikit-learn on ${expected.name}`, () => {
    const { numClasses } = expected
    const logits = Float32Array.from(expected.logits)
    const labels = Int32Array.from(expected.labels)
    const confusion = confusionMatrix(labels, predictedClasses(logits, numClasses), numClasses)

    it('confusion matrix', () => assert.deepEqual([...confusion], expected.confusion))

    it('precision, recall, F1 and support of each class', () => {
      const { classes } = classReport(confusion)
      assert.equal(classes.length, numClasses)
      classes.forEach((scores, c) => {
        for (const key of ['precision', 'recall', 'f1', 'support'] as const) {
          near(scores[key], expected[key][c]!, `class ${c} ${key}`)
        }
      })
    })

    it('macro and weighted averages', () => {
      const report = classReport(confusion)
      for (const kind of ['macro', 'weighted'] as const) {
        for (const key of ['precision', 'recall', 'f1'] as const) {
          near(report[kind][key], expected[kind][key], `${kind} ${key}`)
        }
        assert.equal(report[kind].support, labels.length)
      }
    })

    it('top-k accuracy and the negative log-likelihood', () => {
      for (const [k, value] of Object.entries(expected.topK)) {
        near(topKAccuracy(logits, labels, numClasses, Number(k)), value, `top-${k}`)
      }
      near(topKAccuracy(logits, labels, numClasses, 1), classReport(confusion).accuracy, 'top-1')
      near(negativeLogLikelihood(logits, labels, numClasses), expected.nll, 'nll')
    })
  })
}

describe('top-k', () => {
  it('breaks ties by the lower class index, as argmax does', () => {
    const scores = new Float32Array(3 * 4).fill(0.25)
    const labels = Int32Array.of(0, 1, 3)
    assert.deepEqual([...predictedClasses(scores, 4)], [0, 0, 0])
    assert.equal(topKAccuracy(scores, labels, 4, 1), 1 / 3)
    assert.equal(topKAccuracy(scores, labels, 4, 2), 2 / 3)
    assert.deepEqual(topClasses(scores, 4, 1, 3), [0, 1, 2])
  })

  it('is 1 when k reaches the number of classes', () => {
    assert.equal(topKAccuracy(Float32Array.of(3, 2, 1), Int32Array.of(2), 3, 3), 1)
    assert.equal(topKAccuracy(Float32Array.of(3, 2, 1), Int32Array.of(2), 3, 5), 1)
  })

  it('orders the classes of the asked row, best first, and gives all when k exceeds them', () => {
    const scores = Float32Array.of(9, 8, 7, 0, 1, 0, 5, 1)
    assert.deepEqual(topClasses(scores, 4, 1, 3), [2, 0, 3])
    assert.deepEqual(topClasses(scores, 4, 0, 10), [0, 1, 2, 3])
  })

  it('refuses k below 1', () => {
    assert.throws(() => topKAccuracy(Float32Array.of(1, 2), Int32Array.of(0), 2, 0), ConfigError)
  })
})

describe('class report', () => {
  it('gives 0, not NaN, to a class that is neither labelled nor predicted, and keeps it in the macro mean', () => {
    const report = classReport(Uint32Array.of(3, 0, 0, 0))
    assert.deepEqual(report.classes[1], { precision: 0, recall: 0, f1: 0, support: 0 })
    assert.equal(report.macro.f1, 0.5)
    assert.equal(report.weighted.f1, 1)
  })

  it('refuses a matrix that is not square, and one of no samples', () => {
    assert.throws(() => classReport(new Uint32Array(6)), ShapeError)
    assert.throws(() => classReport(new Uint32Array(4)), DatasetError)
  })
})

describe('negative log-likelihood', () => {
  it('is ln C for uniform logits, whatever their level', () => {
    const labels = Int32Array.of(1, 4)
    near(negativeLogLikelihood(new Float32Array(10).fill(500), labels, 5), Math.log(5), 'nll')
  })

  it('stays finite at logits of ±1e4, where exp overflows', () => {
    const logits = Float32Array.of(1e4, -1e4, 1e4, -1e4)
    assert.equal(negativeLogLikelihood(logits, Int32Array.of(0, 1), 2), 1e4)
  })
})

describe('metrics › bad input', () => {
  const two = Float32Array.of(1, 2, 3, 4)

  it('names the sample whose label is out of range', () => {
    for (const label of [-1, 2]) {
      assert.throws(
        () => negativeLogLikelihood(two, Int32Array.of(0, label), 2),
        (error: Error) => error instanceof DatasetError && error.message.includes(`got ${label} at sample 1`),
      )
    }
    assert.throws(() => confusionMatrix(Int32Array.of(0), Int32Array.of(7), 2), /predicted class in \[0, 2\), got 7/)
  })

  it('refuses an empty set', () => {
    assert.throws(() => topKAccuracy(new Float32Array(0), new Int32Array(0), 2, 1), DatasetError)
  })

  it('names sample and class of a logit that is not finite', () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      assert.throws(
        () => negativeLogLikelihood(Float32Array.of(1, 2, 3, bad), Int32Array.of(0, 1), 2),
        (error: Error) => error instanceof NonFiniteError && error.message.includes(`got ${bad} at sample 1, class 1`),
      )
    }
  })

  it('refuses lengths that disagree', () => {
    assert.throws(() => topKAccuracy(two, Int32Array.of(0), 2, 1), ShapeError)
    assert.throws(() => confusionMatrix(Int32Array.of(0), Int32Array.of(0, 1), 2), ShapeError)
  })
})
