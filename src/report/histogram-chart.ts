/** Histograms over each other, one panel a quantity: how far apart groups of samples lie by it. */
import type { TopLevelSpec } from 'vega-lite'
import { ConfigError } from '../util/errors.ts'
import { renderPng } from './render.ts'

export interface HistogramPanel {
  readonly title: string
  /** rising, one more than there are bars */
  readonly edges: readonly number[]
  /** of each group the number of samples in each bar */
  readonly groups: readonly { readonly name: string; readonly counts: readonly number[] }[]
}

export interface HistogramChartOptions {
  readonly title: string
  readonly xTitle: string
  readonly panels: readonly HistogramPanel[]
}

export async function histogramChart(options: HistogramChartOptions): Promise<Buffer> {
  return renderPng(histogramChartSpec(options))
}

/**
 * Heights are shares of each group's own samples, so that a small group is seen beside a large one.
 *
 * @throws {ConfigError} when there is no panel, or a group has not one count for each bar
 */
export function histogramChartSpec({ title, xTitle, panels }: HistogramChartOptions): TopLevelSpec {
  const misfit = panels.find(({ edges, groups }) => groups.some(({ counts }) => counts.length !== edges.length - 1))
  if (panels.length === 0 || misfit !== undefined)
    throw new ConfigError(
      `Chart "${title}": expected panels with a count for each bar, got ${misfit?.title ?? 'none'}.`,
    )
  const names = [...new Set(panels.flatMap(({ groups }) => groups.map(({ name }) => name)))]
  return {
    title,
    hconcat: panels.map((panel) => ({
      title: panel.title,
      width: 300,
      height: 220,
      data: {
        values: panel.groups.flatMap(({ name, counts }) => {
          const total = counts.reduce((sum, count) => sum + count, 0)
          return counts.map((count, bar) => ({
            ...{ name, share: total === 0 ? 0 : count / total },
            ...{ from: panel.edges[bar], to: panel.edges[bar + 1] },
          }))
        }),
      },
      mark: { type: 'bar', opacity: 0.55, binSpacing: 0 },
      encoding: {
        x: {
          field: 'from',
          type: 'quantitative',
          bin: 'binned',
          title: xTitle,
          axis: { format: '.4~g', tickCount: 6 },
        },
        x2: { field: 'to' },
        y: { field: 'share', type: 'quantitative', stack: null, title: 'share of the group', axis: { format: '.1~%' } },
        color: {
          field: 'name',
          type: 'nominal',
          title: null,
          scale: { domain: names, range: ['#4c78a8', '#e45756', '#72b7b2', '#f58518'] },
          legend: { orient: 'bottom' },
        },
      },
    })),
  }
}
