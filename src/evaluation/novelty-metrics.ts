/** How a detector's scores are spread over the samples: what a threshold is chosen from. */
import { quantile } from '../util/quantile.ts'
import { noveltyNames, type Novelty, type NoveltyName } from './scores.ts'

const places = { Q05: 0.05, Median: 0.5, Q95: 0.95 } as const

type Statistic = 'Mean' | keyof typeof places

/** A type alias, so that it is also a Record<string, number>. */
export type NoveltyMetrics = { [Key in `${NoveltyName}${Statistic}`]: number }

/** Names of what is reported of a detector. */
export function noveltyMetricNames(name: NoveltyName): (keyof NoveltyMetrics)[] {
  return [`${name}Mean`, ...(Object.keys(places) as (keyof typeof places)[]).map((place) => `${name}${place}` as const)]
}

/** Mean and quantiles. */
export function noveltyMetrics(novelty: Novelty): Partial<NoveltyMetrics> {
  const metrics: Partial<NoveltyMetrics> = {}
  for (const name of noveltyNames) {
    const values = novelty[name]
    if (values === undefined) continue
    const sorted = Float64Array.from(values).sort()
    metrics[`${name}Mean`] = sorted.reduce((sum, value) => sum + value, 0) / sorted.length
    for (const [place, share] of Object.entries(places))
      metrics[`${name}${place as keyof typeof places}`] = quantile(sorted, share)
  }
  return metrics
}
