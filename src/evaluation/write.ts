/**
 * Writes everything that an evaluation leaves behind. Each file is whole or absent; an earlier one is replaced.
 */
import { join } from 'node:path'
import { topClasses } from '../metrics/index.ts'
import {
  classificationReportCsv,
  confusionMatrixChart,
  histogramChart,
  metricsJson,
  predictionsCsv,
  reliabilityDiagram,
  trainingCurves,
  type CurveRecord,
  type PredictionRow,
} from '../report/index.ts'
import { writeFileAtomic } from '../util/files.ts'
import { analyseScores, type Analysis, type Metrics } from './evaluate.ts'
import { noveltyHistograms } from './novelty-histograms.ts'
import { noveltyNames, saveScores, type Scores } from './scores.ts'

/**
 * @param directory eval_results/<run>; made when missing
 * @param metrics   of these scores, from evaluateScores; its topK, eceBins and energyTemperature hold for the tables too
 * @param history   the epochs of the run, for the curves; none without it
 * @returns paths of the files written, metrics.json first
 * @throws {SnapshotError} when a file cannot be written
 */
export async function writeEvaluation(
  directory: string,
  scores: Scores,
  metrics: Metrics,
  history: readonly CurveRecord[] = [],
): Promise<string[]> {
  const analysis = analyseScores(scores, metrics)
  const { classNames } = scores
  const { confusion, report, bins } = analysis
  const files = new Map<string, string | Buffer>([
    ['metrics.json', metricsJson(metrics)],
    ['classification_report.csv', classificationReportCsv(report, classNames)],
    ['predictions.csv', predictionsTable(scores, analysis)],
    ['confusion-matrix.png', await confusionMatrixChart({ confusion, classNames })],
    ['reliability-diagram.png', await reliabilityDiagram({ bins, ece: metrics.ece })],
    ...(await histograms(scores, analysis)),
    ...(await trainingCurves(history)),
  ])
  const paths = [...files.keys()].map((name) => join(directory, name))
  const contents = [...files.values()]
  const scoresPath = join(directory, 'scores.safetensors')
  await saveScores(scoresPath, scores)
  for (const [i, path] of paths.entries()) await writeFileAtomic(path, contents[i]!)
  return [...paths, scoresPath]
}

/** Only where a detector was asked for. */
async function histograms(scores: Scores, analysis: Analysis): Promise<[string, Buffer][]> {
  if (noveltyNames.every((name) => scores.novelty?.[name] === undefined)) return []
  const panels = noveltyHistograms(scores, analysis)
  const title = 'Out-of-distribution scores'
  return [['ood-histograms.png', await histogramChart({ title, xTitle: 'lower = more in-distribution', panels })]]
}

function predictionsTable(scores: Scores, { metrics, probabilities, energyScores }: Analysis): string {
  const { logits, labels, classNames, ids, paths, novelty = {} } = scores
  const numClasses = classNames.length
  const measured = noveltyNames.filter((name) => novelty[name] !== undefined)
  const ranks = Math.min(metrics.topK, numClasses)
  const rows = Array.from(labels, (label, row): PredictionRow => {
    const best = topClasses(logits, numClasses, row, ranks)
    const probability = (c: number): number => probabilities[row * numClasses + c]!
    return {
      id: ids[row]!,
      path: paths?.[row],
      trueClass: classNames[label]!,
      trueProbability: probability(label),
      correct: best[0] === label,
      energy: -energyScores[row]!,
      novelty: measured.map((name) => novelty[name]![row]!),
      ranked: best.map((c) => ({ name: classNames[c]!, probability: probability(c) })),
    }
  })
  return predictionsCsv(rows, ranks, measured)
}
