/**
 * What every out-of-distribution detector must do. A detector's test calls `detectorSuite(name, create)` and adds its
 * hand-computed case.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Detector, DetectorTrainingInput } from '../ood/index.ts'

const CLASSES = 3
const FEATURES = 6

export function detectorSuite(name: string, create: () => Detector): void {
  describe(`detector ${name}`, () => {
    it('gives one finite score for each row', async () => {
      const detector = await fitted(create)
      const scores = await detector.score(clusters(40, 5, 4))
      assert.equal(scores.length, 40)
      assert.ok(scores.every(Number.isFinite))
    })

    it('scores the training distribution above noise without class structure: higher = more in-distribution', async () => {
      const detector = await fitted(create)
      const inside = await detector.score(clusters(200, 7, 4))
      const outside = await detector.score(clusters(200, 8, 0))
      const auroc = areaUnderRoc(inside, outside)
      assert.ok(auroc > 0.8, `AUROC ${auroc}`)
    })

    it('gives a row the same score alone as among others, in any order', async () => {
      const detector = await fitted(create)
      const input = clusters(12, 9, 4)
      const together = await detector.score(input)
      for (const row of [11, 0, 5]) {
        const alone = await detector.score(rows(input, [row]))
        assert.ok(Math.abs(alone[0]! - together[row]!) <= 1e-9 * Math.max(1, Math.abs(together[row]!)))
      }
    })

    it('is deterministic: two detectors fitted alike give the same scores', async () => {
      const input = clusters(30, 10, 4)
      assert.deepEqual(await (await fitted(create)).score(input), await (await fitted(create)).score(input))
    })

    it('leaves its input unchanged', async () => {
      const train = clusters(60, 11, 4)
      const before = structuredClone(train)
      const detector = create()
      await detector.fit(train)
      await detector.score(train)
      assert.deepEqual(train, before)
    })

    it('carries the name that it is registered under', () => assert.equal(create().name, name))
  })
}

async function fitted(create: () => Detector): Promise<Detector> {
  const detector = create()
  await detector.fit(clusters(120, 3, 4))
  return detector
}

/** Gaussian clusters, one a class, `distance` from the origin; features' first C columns double as logits. */
function clusters(samples: number, seed: number, distance: number): DetectorTrainingInput {
  const next = gaussian(seed)
  const labels = Int32Array.from({ length: samples }, (_, row) => row % CLASSES)
  const features = Float32Array.from({ length: samples * FEATURES }, (_, i) => {
    return next() * 0.5 + (i % FEATURES === labels[Math.floor(i / FEATURES)] ? distance : 0)
  })
  const logits = Float32Array.from({ length: samples * CLASSES }, (_, i) => {
    return features[Math.floor(i / CLASSES) * FEATURES + (i % CLASSES)]!
  })
  return { labels, logits: { values: logits, columns: CLASSES }, features: { values: features, columns: FEATURES } }
}

function rows(input: DetectorTrainingInput, wanted: number[]): DetectorTrainingInput {
  const pick = ({ values, columns }: { values: Float32Array | Float64Array; columns: number }) => ({
    values: Float32Array.from(wanted.flatMap((row) => [...values.subarray(row * columns, (row + 1) * columns)])),
    columns,
  })
  return {
    labels: Int32Array.from(wanted, (row) => input.labels[row]!),
    logits: pick(input.logits),
    features: pick(input.features!),
  }
}

/** P(inside > outside), ties count one half. */
function areaUnderRoc(inside: Float64Array, outside: Float64Array): number {
  let wins = 0
  for (const a of inside) for (const b of outside) wins += a > b ? 1 : a === b ? 0.5 : 0
  return wins / (inside.length * outside.length)
}

/** Box–Muller over a 32-bit linear congruential generator: enough for test data, and the same everywhere. */
function gaussian(seed: number): () => number {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
}
