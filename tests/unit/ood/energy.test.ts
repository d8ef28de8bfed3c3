import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { detectors, EnergyDetector, energyScores } from '../../../src/ood/index.ts'
import { ConfigError, NonFiniteError, ShapeError } from '../../../src/util/errors.ts'
import { detectorSuite } from '../../../src/conformance/detector-suite.ts'

for (const [name, create] of Object.entries(detectors)) detectorSuite(name, create)

interface Case {
  numClasses: number
  logits: number[]
  energyScore: number[]
  energyScoreT2: number[]
}
const golden = JSON.parse(readFileSync(new URL('../../golden/metrics.json', import.meta.url), 'utf8')) as {
  cases: Case[]
}
const toy = Float32Array.of(2, 1, 0.1, -1)

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `expected ${expected}, got ${actual}`)
}

describe('energy', () => {
  it('is 2.449313 for [2, 1, .1, −1], and 3.591770 at temperature 2', () => {
    near(energyScores(toy, 4)[0]!, 2.449313, 5e-7)
    near(energyScores(toy, 4, 2)[0]!, 3.59177, 5e-7)
  })

  it('equals torch.logsumexp row by row, at temperatures 1 and 2', () => {
    for (const { numClasses, logits, energyScore, energyScoreT2 } of golden.cases) {
      energyScores(Float32Array.from(logits), numClasses).forEach((s, i) => near(s, energyScore[i]!, 1e-9))
      energyScores(Float32Array.from(logits), numClasses, 2).forEach((s, i) => near(s, energyScoreT2[i]!, 1e-9))
    }
  })

  it('shifts with the logits and does not overflow', () => {
    const shifted = Float64Array.from(toy, (v) => v + 1e5)
    near(energyScores(shifted, 4)[0]! - 1e5, energyScores(Float64Array.from(toy), 4)[0]!, 1e-9)
  })

  it('approaches the largest logit as the temperature falls', () => {
    near(energyScores(toy, 4, 0.01)[0]!, 2, 1e-6)
  })

  it('hands its temperature from the detector to the score', async () => {
    const [score] = await new EnergyDetector({ temperature: 2 }).score({ logits: { values: toy, columns: 4 } })
    near(score!, 3.59177, 5e-7)
  })

  it('refuses NaN, rows that do not fit, and a temperature that is not positive', () => {
    assert.throws(() => energyScores(Float32Array.of(1, NaN), 2), NonFiniteError)
    assert.throws(() => energyScores(toy, 3), ShapeError)
    for (const bad of [0, -1, NaN, Infinity]) assert.throws(() => energyScores(toy, 4, bad), ConfigError)
  })
})
