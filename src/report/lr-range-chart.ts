/** Loss over the learning rate, on a logarithmic axis, with the suggested rate as a rule. */
import type { TopLevelSpec } from 'vega-lite'
import { ConfigError } from '../util/errors.ts'

export interface LrRangeChartOptions {
  readonly title: string
  readonly points: readonly { readonly learningRate: number; readonly loss: number; readonly smoothed: number }[]
  /** null: none to show */
  readonly suggestion: number | null
}

/** @throws {ConfigError} for fewer than two points with a finite loss */
export function lrRangeChartSpec({ title, points, suggestion }: LrRangeChartOptions): TopLevelSpec {
  const finite = points.filter(({ loss, smoothed }) => Number.isFinite(loss) && Number.isFinite(smoothed))
  if (finite.length < 2)
    throw new ConfigError(`Chart "${title}": expected at least 2 steps with a finite loss, got ${finite.length}.`)
  // Where it diverges the loss leaves the picture: what matters is how it falls.
  const lowest = Math.min(...finite.map(({ smoothed }) => smoothed))
  const before = finite.slice(0, finite.findIndex(({ smoothed }) => smoothed === lowest) + 1)
  const highest = Math.max(...before.map(({ loss }) => loss))
  const bottom = Math.min(...finite.map(({ loss }) => loss))
  const domain = [bottom, bottom + 1.2 * Math.max(highest - bottom, 1e-6)]
  const rows = finite.flatMap(({ learningRate, loss, smoothed }) => [
    { x: learningRate, y: loss, series: 'loss' },
    { x: learningRate, y: smoothed, series: 'smoothed' },
  ])
  const x = { field: 'x', type: 'quantitative', title: 'learning rate', scale: { type: 'log', nice: false } }
  return {
    title,
    width: 560,
    height: 300,
    layer: [
      {
        data: { values: rows },
        mark: { type: 'line', clip: true },
        encoding: {
          x,
          y: { field: 'y', type: 'quantitative', title: 'loss', scale: { domain, nice: true } },
          color: { field: 'series', type: 'nominal', title: null, legend: { orient: 'bottom' } },
        },
      },
      ...(suggestion === null
        ? []
        : [
            {
              data: { values: [{ x: suggestion }] },
              mark: { type: 'rule', strokeDash: [4, 4], color: '#444' },
              encoding: { x },
            },
          ]),
    ],
  } as TopLevelSpec
}
