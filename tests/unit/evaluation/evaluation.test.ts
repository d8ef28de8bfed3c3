import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  collectScores,
  evaluateScores,
  loadScores,
  saveScores,
  writeEvaluation,
} from '../../../src/evaluation/index.ts'
import type { EvaluationBatch, Scores } from '../../../src/evaluation/index.ts'
import { analyseScores } from '../../../src/evaluation/evaluate.ts'
import { noveltyHistograms } from '../../../src/evaluation/novelty-histograms.ts'
import { parseCsv } from '../../../src/util/csv.ts'
import { ConfigError, DatasetError, NonFiniteError, ShapeError, SnapshotError } from '../../../src/util/errors.ts'
import { packageFile } from '../../../src/util/package-root.ts'

const scratch = mkdtempSync(join(tmpdir(), 'evaluation-'))
after(() => rmSync(scratch, { recursive: true }))

/** Four samples, three classes; the last is wrong. Probabilities are known: logits are logarithms of them. */
const probabilities = [0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.25, 0.25, 0.5, 0.6, 0.3, 0.1]
const scores: Scores = {
  logits: Float32Array.from(probabilities, Math.log),
  labels: Int32Array.of(0, 1, 2, 1),
  classNames: ['cat', 'dog, big', 'eel'],
  ids: Int32Array.of(10, 11, 12, 13),
  paths: ['a.png', undefined, 'c,d.png', 'e.png'],
}

/** In the unit of each detector. */
const novelty = { mahalanobis: Float64Array.of(4, 1, 3, 2.5), vim: Float64Array.of(-1, 1e-3, 0, 7) }

function near(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 1e-7, `${what}: expected ${expected}, got ${actual}`)
}

describe('evaluate scores', () => {
  it('gives the hand-computed value of every metric', async () => {
    const metrics = await evaluateScores(scores, { topK: 2, eceBins: 3, energyTemperature: 1 })
    const { log } = Math
    const expected: typeof metrics = {
      samples: 4,
      classes: 3,
      top1: 3 / 4,
      top5: 1,
      topK: 2,
      topKAccuracy: 1,
      nll: -(log(0.7) + log(0.8) + log(0.5) + log(0.3)) / 4,
      brier: (0.14 + 0.06 + 0.375 + 0.36 + 0.49 + 0.01) / 4,
      // (⅓, ⅔]: .5 right, .6 wrong; (⅔, 1]: .7 and .8 right
      ece: 0.5 * 0.05 + 0.5 * 0.25,
      eceBins: 3,
      meanConfidence: (0.7 + 0.8 + 0.5 + 0.6) / 4,
      energyMean: 0,
      energyStd: 0,
      energyTemperature: 1,
      macroPrecision: (1 / 2 + 1 + 1) / 3,
      macroRecall: (1 + 1 / 2 + 1) / 3,
      macroF1: (2 / 3 + 2 / 3 + 1) / 3,
      weightedPrecision: (1 / 2 + 2 + 1) / 4,
      weightedRecall: 3 / 4,
      weightedF1: (2 / 3 + 4 / 3 + 1) / 4,
    }
    assert.deepEqual(Object.keys(metrics), Object.keys(expected))
    for (const [key, value] of Object.entries(expected))
      near(metrics[key as keyof typeof metrics] as number, value, key)
  })

  it('uses each of its options', async () => {
    const plain = await evaluateScores(scores)
    assert.deepEqual([plain.topK, plain.eceBins, plain.energyTemperature], [5, 15, 1])
    assert.notEqual((await evaluateScores(scores, { eceBins: 3 })).ece, plain.ece)
    assert.notEqual((await evaluateScores(scores, { topK: 1 })).topKAccuracy, plain.topKAccuracy)
    const cold = await evaluateScores(scores, { energyTemperature: 0.01 })
    near(cold.energyMean, -(Math.log(0.7) + Math.log(0.8) + Math.log(0.5) + Math.log(0.6)) / 4, 'energy at low T')
  })

  it('tells mean and quantiles of the detectors that were asked, and the views, and nothing where none was', async () => {
    const plain = Object.keys(await evaluateScores(scores))
    const metrics = await evaluateScores({ ...scores, novelty, ttaRuns: 3 })
    // Sorted 1, 2.5, 3, 4: 5 % lie .15 of the way from the first to the second, 95 % .85 of the way from the third to the last.
    const expected = {
      ...{ mahalanobisMean: 2.625, mahalanobisQ05: 1.225, mahalanobisMedian: 2.75, mahalanobisQ95: 3.85 },
      ...{ vimMean: 6.001 / 4, vimQ05: -0.85, vimMedian: 5e-4, vimQ95: 1e-3 + 0.85 * (7 - 1e-3) },
      ttaRuns: 3,
    }
    assert.deepEqual(Object.keys(metrics).slice(plain.length), Object.keys(expected))
    for (const [key, value] of Object.entries(expected)) near(metrics[key as keyof typeof expected]!, value, key)
    const one = Object.keys(await evaluateScores({ ...scores, novelty: { vim: novelty.vim } }))
    assert.deepEqual(one.slice(plain.length), ['vimMean', 'vimQ05', 'vimMedian', 'vimQ95'])
  })

  it('refuses bad scores with a typed error', async () => {
    const cases: [Partial<Scores>, new (message: string) => Error][] = [
      [{ labels: Int32Array.of(0, 1, 2, 3) }, DatasetError],
      [{ labels: Int32Array.of(0, -1, 2, 1) }, DatasetError],
      [{ labels: new Int32Array(0), logits: new Float32Array(0), ids: new Int32Array(0), paths: [] }, DatasetError],
      [{ logits: scores.logits.map((v, i) => (i === 5 ? NaN : v)) }, NonFiniteError],
      [{ logits: scores.logits.subarray(3) }, ShapeError],
      [{ ids: Int32Array.of(1) }, ShapeError],
      [{ paths: ['a'] }, ShapeError],
      [{ novelty: { vim: Float64Array.of(1) } }, ShapeError],
      [{ novelty: { mahalanobis: Float64Array.of(1, 2, Infinity, 3) } }, NonFiniteError],
    ]
    for (const [change, type] of cases) await assert.rejects(evaluateScores({ ...scores, ...change }), type)
    for (const options of [{ topK: 0 }, { eceBins: 0 }, { energyTemperature: 0 }]) {
      await assert.rejects(evaluateScores(scores, options), ConfigError)
    }
  })
})

describe('write evaluation', () => {
  const history = [{ phase: 'train', epoch: 1, seconds: 2, train_loss: 1, val_loss: 1.5, val_accuracy: 0.5 }]

  it('writes every artefact, returns their paths and leaves nothing else', async () => {
    const directory = join(scratch, 'run')
    const metrics = await evaluateScores(scores)
    const files = await writeEvaluation(directory, scores, metrics, history)
    const names = [
      'metrics.json',
      'classification_report.csv',
      'predictions.csv',
      'confusion-matrix.png',
      'reliability-diagram.png',
      'loss-curve.png',
      'accuracy-curve.png',
      'time-per-epoch.png',
      'scores.safetensors',
    ]
    assert.deepEqual(
      files,
      names.map((name) => join(directory, name)),
    )
    assert.deepEqual(readdirSync(directory).sort(), [...names].sort())
    const json = JSON.parse(readFileSync(join(directory, 'metrics.json'), 'utf8')) as Record<string, number>
    assert.equal(json.top1, 0.75)
    assert.equal(json.macro_f1, metrics.macroF1)
    assert.equal(json.energy_mean, metrics.energyMean)
    const report = parseCsv(readFileSync(join(directory, 'classification_report.csv'), 'utf8'))
    assert.deepEqual(
      report.map((row) => row[0]),
      ['class', ...scores.classNames, 'accuracy', 'macro avg', 'weighted avg'],
    )
  })

  it('writes no key and no file that docs/evaluation.md leaves out', async () => {
    const directory = join(scratch, 'documented')
    const full = { ...scores, novelty, ttaRuns: 3 }
    const files = await writeEvaluation(directory, full, await evaluateScores(full), history)
    const text = readFileSync(packageFile('docs/evaluation.md'), 'utf8')
    const keys = Object.keys(JSON.parse(readFileSync(files[0]!, 'utf8')) as object)
    for (const name of [...keys, ...files.map((file) => basename(file))]) assert.ok(text.includes(`\`${name}\``), name)
  })

  it('lists each sample in predictions.csv with as many ranked classes as topK and the classes allow', async () => {
    const directory = join(scratch, 'ranked')
    await writeEvaluation(directory, scores, await evaluateScores(scores, { topK: 2 }))
    const [header, ...rows] = parseCsv(readFileSync(join(directory, 'predictions.csv'), 'utf8'))
    assert.equal(header?.at(-1), 'top_2_probability')
    assert.deepEqual(rows[3], [
      '13',
      'e.png',
      'dog, big',
      'cat',
      'false',
      '0.6',
      '0.3',
      rows[3]![7]!,
      'dog, big',
      '0.3',
    ])
    assert.deepEqual(
      rows.map((row) => row[1]),
      ['a.png', '', 'c,d.png', 'e.png'],
    )
    assert.ok(!existsSync(join(directory, 'loss-curve.png')), 'no curves without a history')
  })

  it('gives each detector a column after the energy', async () => {
    const directory = join(scratch, 'novel')
    await writeEvaluation(directory, { ...scores, novelty }, await evaluateScores({ ...scores, novelty }))
    assert.ok(existsSync(join(directory, 'ood-histograms.png')))
    const [header = [], ...rows] = parseCsv(readFileSync(join(directory, 'predictions.csv'), 'utf8'))
    const at = header.indexOf('energy')
    assert.deepEqual(header.slice(at, at + 4), ['energy', 'mahalanobis', 'vim', 'top_2'])
    assert.deepEqual(
      rows.map((row) => row.slice(at + 1, at + 3).map(Number)),
      Array.from(novelty.vim, (value, i) => [novelty.mahalanobis[i], value]),
    )
  })

  it('is an error of ours when the folder cannot be made', async () => {
    const file = join(scratch, 'file')
    writeFileSync(file, '')
    await assert.rejects(writeEvaluation(join(file, 'x'), scores, await evaluateScores(scores)), SnapshotError)
  })
})

describe('novelty histograms', () => {
  it('count every sample once, by what was predicted of it, far ones in the outermost bars', () => {
    const panels = noveltyHistograms({ ...scores, novelty }, analyseScores(scores))
    assert.deepEqual(
      panels.map(({ title }) => title),
      ['energy', 'mahalanobis', 'vim'],
    )
    const [, mahalanobis] = panels
    // 4, 1, 3 are right, 2.5 is wrong: 40 bars of .075 from 1 to 4
    const [right, wrong] = mahalanobis!.groups.map(({ counts }) =>
      counts.flatMap((count, bar) => (count > 0 ? [bar] : [])),
    )
    assert.deepEqual([right, wrong], [[0, 26, 39], [20]])
    near(mahalanobis!.edges[1]!, 1.075, 'edge')
    const many = Float64Array.from({ length: 1000 }, (_, i) => (i === 0 ? 1e9 : i))
    const wide: Scores = {
      ...{ logits: new Float32Array(3000), labels: new Int32Array(1000), ids: new Int32Array(1000) },
      ...{ classNames: scores.classNames, novelty: { vim: many } },
    }
    const [, vim] = noveltyHistograms(wide, analyseScores(wide))
    assert.ok(vim!.edges.at(-1)! < 1000)
    assert.equal(
      vim!.groups[0]!.counts.reduce((sum, count) => sum + count, 0),
      1000,
    )
  })
})

describe('scores file', () => {
  it('gives back what was saved, with files and without', async () => {
    const path = join(scratch, 'scores.safetensors')
    await saveScores(path, scores)
    assert.deepEqual(await loadScores(path), scores)
    const { logits, labels, classNames, ids } = scores
    const bare = { logits, labels, classNames, ids }
    await saveScores(path, bare)
    assert.deepEqual(await loadScores(path), bare)
    const full = { ...scores, novelty, ttaRuns: 3 }
    await saveScores(path, full)
    assert.deepEqual(await loadScores(path), full)
  })

  it('refuses a file that holds something else', async () => {
    const path = join(scratch, 'other.safetensors')
    writeFileSync(path, 'no safetensors')
    await assert.rejects(loadScores(path), SnapshotError)
    await assert.rejects(loadScores(join(scratch, 'absent.safetensors')), SnapshotError)
  })
})

describe('collect scores', () => {
  /** Images are plain numbers here; `forward` says class = image. */
  const dataset = { classNames: ['a', 'b'], at: (index: number) => ({ path: `${index}.png` }) }
  let disposed = 0
  const batch = (first: number, size: number): EvaluationBatch<number[]> => ({
    images: Array.from({ length: size }, (_, i) => (first + i) % 2),
    labelValues: Int32Array.from({ length: size }, (_, i) => (first + i) % 2),
    ids: Int32Array.from({ length: size }, (_, i) => 100 + first + i),
    indices: Int32Array.from({ length: size }, (_, i) => first + i),
    dispose: () => disposed++,
  })
  const loaderOf = (...batches: EvaluationBatch<number[]>[]) => ({
    batchesPerEpoch: batches.length,
    async *epoch() {
      yield* batches
    },
  })
  const logits = (images: number[], columns = 2) => ({
    shape: [images.length, columns],
    data: () =>
      Float32Array.from(images.flatMap((image) => Array.from({ length: columns }, (_, c) => Number(c === image)))),
    dispose: () => disposed++,
  })

  it('gathers logits, labels, identities and files in the order of the loader, and disposes of each tensor', async () => {
    disposed = 0
    const progress: string[] = []
    const collected = await collectScores({
      forward: async (images: number[]) => ({
        logits: logits(images),
        novelty: { vim: Float64Array.from(images, (image) => image - 0.1) },
      }),
      loader: loaderOf(batch(0, 3), batch(3, 2)),
      dataset,
      onBatch: (done, total) => progress.push(`${done}/${total}`),
    })
    assert.deepEqual([...collected.logits], [1, 0, 0, 1, 1, 0, 0, 1, 1, 0])
    assert.deepEqual(collected.novelty, { vim: Float64Array.of(-0.1, 0.9, -0.1, 0.9, -0.1) })
    assert.deepEqual([...collected.ids], [100, 101, 102, 103, 104])
    assert.deepEqual(collected.paths, ['0.png', '1.png', '2.png', '3.png', '4.png'])
    assert.deepEqual(progress, ['1/2', '2/2'])
    assert.equal(disposed, 4)
    assert.equal((await evaluateScores(collected)).top1, 1)
  })

  it('refuses logits of another number of classes, and disposes of the batch', async () => {
    disposed = 0
    const forward = async (images: number[]) => ({ logits: logits(images, 3) })
    await assert.rejects(collectScores({ forward, loader: loaderOf(batch(0, 3)), dataset }), ShapeError)
    assert.equal(disposed, 2)
  })

  it('refuses a loader without batches', async () => {
    const forward = async (images: number[]) => ({ logits: logits(images) })
    await assert.rejects(collectScores({ forward, loader: loaderOf(), dataset }), DatasetError)
  })

  it('stops with the reason of the signal', async () => {
    const reason = new Error('stopped')
    const forward = async (images: number[]) => ({ logits: logits(images) })
    const options = { forward, loader: loaderOf(batch(0, 3)), dataset, signal: AbortSignal.abort(reason) }
    await assert.rejects(collectScores(options), reason)
  })
})
