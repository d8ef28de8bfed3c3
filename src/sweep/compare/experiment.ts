/** One training among others: what it was given and how it went. A trial of a sweep, or a run of its own. */
import { canonicalJson, type Json } from '../space/distribution.ts'

export interface Epoch {
  /** counted from 1 */
  readonly epoch: number
  readonly trainLoss: number | null
  readonly valLoss: number | null
  /** fraction */
  readonly valAccuracy: number | null
}

export interface Experiment {
  readonly name: string
  /** every known setting by configuration key, `arcface.batch_size` */
  readonly settings: Readonly<Record<string, Json>>
  readonly state: 'complete' | 'pruned' | 'failed' | 'running'
  /** of one phase, by epoch */
  readonly epochs: readonly Epoch[]
  readonly seconds: number | null
}

/** What experiments are ranked by. */
export interface Measure {
  readonly key: 'valLoss' | 'valAccuracy' | 'trainLoss'
  /** `validation loss` */
  readonly name: string
  readonly isLoss: boolean
}

const measures: readonly Measure[] = [
  { key: 'valLoss', name: 'validation loss', isLoss: true },
  { key: 'valAccuracy', name: 'validation accuracy', isLoss: false },
  { key: 'trainLoss', name: 'training loss', isLoss: true },
]

/** The first measure that every experiment with epochs has. */
export function measureFor(experiments: readonly Experiment[], wanted: 'loss' | 'accuracy' = 'loss'): Measure {
  const order = wanted === 'loss' ? measures : [measures[1]!, measures[0]!, measures[2]!]
  const ran = experiments.filter(({ epochs }) => epochs.length > 0)
  return order.find(({ key }) => ran.every(({ epochs }) => epochs.some((epoch) => isNumber(epoch[key])))) ?? order[0]!
}

export interface BestEpoch {
  readonly epoch: number
  readonly value: number
}

/** The epoch with the best value, the first of equals; null without one. */
export function bestEpoch({ epochs }: Experiment, measure: Measure): BestEpoch | null {
  return epochs.reduce<BestEpoch | null>((best, record) => {
    const value = record[measure.key]
    if (!isNumber(value) || (best !== null && !isBetter(value, best.value, measure))) return best
    return { epoch: record.epoch, value }
  }, null)
}

export function isBetter(a: number, b: number, { isLoss }: Measure): boolean {
  return isLoss ? a < b : a > b
}

/** Keys whose values differ between the experiments, in the order in which they first appear. */
export function varyingKeys(experiments: readonly Experiment[]): string[] {
  const keys = [...new Set(experiments.flatMap(({ settings }) => Object.keys(settings)))]
  return keys.filter((key) => new Set(experiments.map(({ settings }) => settingText(settings[key]))).size > 1)
}

/** Complete experiments with a best epoch, best first; equal ones stay in their order. */
export function ranked(
  experiments: readonly Experiment[],
  measure: Measure,
): { readonly experiment: Experiment; readonly best: BestEpoch }[] {
  return experiments
    .filter(({ state }) => state === 'complete')
    .flatMap((experiment) => {
      const best = bestEpoch(experiment, measure)
      return best === null ? [] : [{ experiment, best }]
    })
    .sort((a, b) => (measure.isLoss ? a.best.value - b.best.value : b.best.value - a.best.value))
}

/** As a table shows it; `–` where the experiment does not have the key. */
export function settingText(value: Json | undefined): string {
  if (value === undefined) return '–'
  if (typeof value === 'number') return String(Number(value.toPrecision(4)))
  return typeof value === 'string' ? value : canonicalJson(value)
}

export function isNumber(value: number | null | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
