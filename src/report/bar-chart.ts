/** Counts as horizontal bars, one colour a series. */
import type { TopLevelSpec } from 'vega-lite'
import { ConfigError } from '../util/errors.ts'
import { shortLabel } from './label.ts'

export interface BarChartOptions {
  readonly title: string
  readonly xTitle: string
  /** From top to bottom. */
  readonly categories: readonly string[]
  /** Values in the order of the categories. */
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[]
}

/** @throws {ConfigError} when there is no bar, or a series has another length */
export function barChartSpec({ title, xTitle, categories, series }: BarChartOptions): TopLevelSpec {
  if (categories.length === 0 || series.some(({ values }) => values.length !== categories.length))
    throw new ConfigError(`Chart "${title}": expected a value for each of ${categories.length} bars.`)
  const names = series.map(({ name }) => name)
  return {
    title,
    width: 460,
    height: { step: series.length > 1 ? 10 + 8 * series.length : 18 },
    data: {
      values: series.flatMap(({ name, values }) =>
        // The number keeps two labels apart that were shortened to the same.
        values.map((value, at) => ({ series: name, at, label: shortLabel(categories[at] ?? '', 36), value })),
      ),
    },
    mark: { type: 'bar' },
    encoding: {
      y: {
        field: 'at',
        type: 'ordinal',
        title: null,
        axis: {
          labelExpr: `${JSON.stringify(categories.map((name) => shortLabel(name, 36)))}[datum.value]`,
          labelLimit: 260,
        },
      },
      ...(series.length > 1 && { yOffset: { field: 'series', sort: names } }),
      x: { field: 'value', type: 'quantitative', title: xTitle, axis: { tickMinStep: 1, format: 'd' } },
      color: {
        field: 'series',
        type: 'nominal',
        title: null,
        scale: { domain: names },
        legend: series.length > 1 ? { orient: 'bottom' } : null,
      },
    },
  }
}
