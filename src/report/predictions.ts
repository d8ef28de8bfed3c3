/**
 * predictions.csv: one row a sample, with its runners-up.
 */
import { csvLine } from '../util/csv.ts'

export interface PredictionRow {
  /** identity of the sample inside the full data set */
  readonly id: number
  /** its file, where it has one */
  readonly path?: string | undefined
  readonly trueClass: string
  /** probability of the true class */
  readonly trueProbability: number
  readonly correct: boolean
  /** −T·log Σ exp(logit / T): lower = more in-distribution */
  readonly energy: number
  /** the classes with the highest probabilities, best first; the first is the prediction */
  readonly ranked: readonly { readonly name: string; readonly probability: number }[]
}

/** @param ranks number of ranked classes in every row; the first fills `predicted` and `confidence` */
export function predictionsCsv(rows: readonly PredictionRow[], ranks: number): string {
  const others = Array.from({ length: ranks - 1 }, (_, i) => [`top_${i + 2}`, `top_${i + 2}_probability`])
  const header = [
    'id',
    'path',
    'true',
    'predicted',
    'correct',
    'confidence',
    'true_probability',
    'energy',
    ...others.flat(),
  ]
  return csvLine(header) + rows.map(predictionLine).join('')
}

function predictionLine(row: PredictionRow): string {
  const [first, ...others] = row.ranked
  return csvLine([
    row.id,
    row.path,
    row.trueClass,
    first?.name,
    row.correct,
    first && digits(first.probability),
    digits(row.trueProbability),
    digits(row.energy),
    ...others.flatMap(({ name, probability }) => [name, digits(probability)]),
  ])
}

/** Seven significant digits: what float32 logits carry. */
function digits(value: number): number {
  return Number(value.toPrecision(7))
}
