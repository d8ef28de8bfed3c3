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
  /** further scores of that kind, in the order of their columns; lower = more in-distribution */
  readonly novelty?: readonly number[]
  /** the classes with the highest probabilities, best first; the first is the prediction */
  readonly ranked: readonly { readonly name: string; readonly probability: number }[]
}

/**
 * @param ranks   number of ranked classes in every row; the first fills `predicted` and `confidence`
 * @param novelty names of the columns after `energy`
 */
export function predictionsCsv(rows: readonly PredictionRow[], ranks: number, novelty: readonly string[] = []): string {
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
    ...novelty,
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
    ...(row.novelty ?? []).map(digits),
    ...others.flatMap(({ name, probability }) => [name, digits(probability)]),
  ])
}

/** Seven significant digits: what float32 logits carry. */
function digits(value: number): number {
  return Number(value.toPrecision(7))
}
