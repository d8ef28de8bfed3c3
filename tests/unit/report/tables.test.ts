import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { classificationReportCsv, metricsJson, predictionsCsv } from '../../../src/report/index.ts'
import { parseCsv } from '../../../src/util/csv.ts'
import { NonFiniteError } from '../../../src/util/errors.ts'

describe('classification report', () => {
  it("has scikit-learn's rows and columns, and quotes class names", () => {
    const csv = classificationReportCsv(
      {
        classes: [
          { precision: 1, recall: 0.5, f1: 2 / 3, support: 4 },
          { precision: 0.25, recall: 1, f1: 0.4, support: 1 },
        ],
        accuracy: 0.6,
        macro: { precision: 0.625, recall: 0.75, f1: 0.5, support: 5 },
        weighted: { precision: 0.85, recall: 0.6, f1: 0.61, support: 5 },
      },
      ['cat, big', 'accuracy'],
    )
    assert.equal(
      csv,
      'class,precision,recall,f1-score,support\n' +
        '"cat, big",1,0.5,0.6666666666666666,4\n' +
        'accuracy,0.25,1,0.4,1\n' +
        'accuracy,,,0.6,5\n' +
        'macro avg,0.625,0.75,0.5,5\n' +
        'weighted avg,0.85,0.6,0.61,5\n',
    )
  })
})

describe('predictions', () => {
  it('lists identity, file, truth, prediction, confidence and the runners-up', () => {
    const csv = predictionsCsv(
      [
        {
          id: 7,
          path: 'a "b"/c,d.png',
          trueClass: 'dog',
          trueProbability: 0.25,
          correct: false,
          energy: -3.5,
          ranked: [
            { name: 'cat', probability: 0.7 },
            { name: 'dog', probability: 0.25 },
          ],
        },
      ],
      2,
    )
    assert.deepEqual(parseCsv(csv), [
      [
        'id',
        'path',
        'true',
        'predicted',
        'correct',
        'confidence',
        'true_probability',
        'energy',
        'top_2',
        'top_2_probability',
      ],
      ['7', 'a "b"/c,d.png', 'dog', 'cat', 'false', '0.7', '0.25', '-3.5', 'dog', '0.25'],
    ])
  })

  it('keeps seven significant digits, small probabilities included', () => {
    const ranked = [{ name: 'a', probability: 0.123456789 }]
    const row = { id: 0, trueClass: 'a', trueProbability: 1.23456789e-12, correct: true, energy: 0, ranked }
    const [, fields] = parseCsv(predictionsCsv([row], 1))
    assert.deepEqual(fields?.slice(5, 7), ['0.1234568', '1.234568e-12'])
  })
})

describe('metrics.json', () => {
  it('spells keys in snake_case and keeps their order', () => {
    const json = metricsJson({ top1: 0.5, macroF1: 0.25, topKAccuracy: 1, energyMean: -2 })
    assert.equal(json, '{\n  "top1": 0.5,\n  "macro_f1": 0.25,\n  "top_k_accuracy": 1,\n  "energy_mean": -2\n}\n')
  })

  it('refuses a value that JSON cannot hold, and names it', () => {
    assert.throws(
      () => metricsJson({ top1: 1, nll: NaN }),
      (e: Error) => e instanceof NonFiniteError && /nll = NaN/.test(e.message),
    )
  })
})
