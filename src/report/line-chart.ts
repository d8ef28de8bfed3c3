/**
 * Lines over epochs, one panel for each phase of a run, so that a contrastive loss near 6 and a cross-entropy near 0.1
 * each have an axis of their own.
 */
import type { TopLevelSpec } from 'vega-lite'
import { ConfigError } from '../util/errors.ts'
import { shortLabel } from './label.ts'
import { renderPng } from './render.ts'

/** One line; x and y have the same length. A y that is NaN or infinite is a gap in the line, and is counted below the title. */
export interface LineSeries {
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly number[]
}

export interface LinePanel {
  readonly title: string
  readonly series: readonly LineSeries[]
}

export interface LineChartOptions {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly panels: readonly LinePanel[]
  /** names of lines in the order of their colours, so that a name has one colour in every chart; default: as they come */
  readonly order?: readonly string[]
  /** d3 number format of the y axis, e.g. `.0%` */
  readonly yFormat?: string
  /** `auto` takes a logarithmic axis where all values are positive and span a factor of 20; default `linear` */
  readonly yScale?: 'linear' | 'auto'
  /** the y axis of a linear scale starts at 0; default false: it fits the values */
  readonly zero?: boolean
}

const COLUMNS = 3
const LOG_SPAN = 20
const POINTS_UP_TO = 40

/** @throws {ConfigError} when there is no panel, or a panel has no points */
export async function lineChart(options: LineChartOptions): Promise<Buffer> {
  return renderPng(lineChartSpec(options))
}

export function lineChartSpec(options: LineChartOptions): TopLevelSpec {
  const points = options.panels.map((panel) => panel.series.reduce((sum, series) => sum + series.x.length, 0))
  if (points.length === 0 || points.includes(0)) {
    throw new ConfigError(
      `Chart "${options.title}": expected panels with at least 1 point each, got [${points.join()}].`,
    )
  }
  const present = new Set(options.panels.flatMap((panel) => panel.series.map((series) => series.name)))
  const names = [...new Set([...(options.order ?? []), ...present])]
  const width = options.panels.length === 1 ? 560 : 320
  const notes = options.panels.map(gapNote)
  // Where one panel has a note all reserve its line, so that the titles stay level.
  const blank = notes.some((note) => note !== '') ? ' ' : ''
  return {
    title: options.title,
    columns: COLUMNS,
    concat: options.panels.map((panel, i) =>
      panelSpec(panel, options, names, [...present], width, notes[i] || blank),
    ) as never,
    resolve: { scale: { x: 'independent', y: 'independent' } },
  }
}

function panelSpec(
  panel: LinePanel,
  options: LineChartOptions,
  names: readonly string[],
  present: readonly string[],
  width: number,
  note: string,
): object {
  const points = panel.series.flatMap(({ name, x, y }) => x.map((at, i) => ({ series: name, x: at, y: y[i] ?? NaN })))
  const values = points.map((point) => point.y).filter(Number.isFinite)
  const xs = points.map((point) => point.x)
  const [first, last] = [Math.min(...xs), Math.max(...xs)]
  const longest = Math.max(...panel.series.map((series) => series.x.length))
  return {
    title: { text: shortLabel(panel.title, 40), subtitle: note, fontSize: 12, frame: 'group' },
    width,
    height: 240,
    // A gap needs its row: without it the line would join the neighbours.
    data: { values: points.map((point) => (Number.isFinite(point.y) ? point : { ...point, y: null })) },
    mark: { type: 'line', point: longest <= POINTS_UP_TO, invalid: 'break-paths-filter-domains' },
    encoding: {
      x: {
        field: 'x',
        type: 'quantitative',
        title: options.xTitle,
        axis: { tickMinStep: 1, format: 'd', labelFlush: false, ...(first === last && { values: [first] }) },
        // A single epoch has no span of its own: centre it.
        scale: { domain: first === last ? [first - 1, last + 1] : [first, last], nice: false, zero: false },
      },
      y: {
        field: 'y',
        type: 'quantitative',
        title: options.yTitle,
        axis: { ...(options.yFormat && { format: options.yFormat }), tickCount: 6 },
        scale: yScale(values, options),
      },
      color: {
        field: 'series',
        type: 'nominal',
        title: null,
        scale: { domain: names },
        legend: present.length > 1 ? { orient: 'bottom', values: present } : null,
      },
    },
  }
}

function yScale(values: readonly number[], options: LineChartOptions): object {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (options.yScale === 'auto' && low > 0 && high / low >= LOG_SPAN) return { type: 'log', nice: true }
  if (values.length === 0) return { domain: [0, 1] }
  return { zero: options.zero ?? false }
}

function gapNote(panel: LinePanel): string {
  const gaps = panel.series.flatMap((series) => series.y).filter((y) => !Number.isFinite(y)).length
  if (gaps === 0) return ''
  return gaps === 1 ? '1 value is not finite' : `${gaps} values are not finite`
}
