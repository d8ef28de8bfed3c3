/** Intermediate values of every trial over its steps: where the pruner cut, and which trial won. */
import type { TopLevelSpec } from 'vega-lite'
import type { Trial } from '../trial.ts'
import { stateColors, tipOf, type ObjectiveView, type ReportStudy } from './chart-data.ts'

/** Null when no trial has reported. */
export function intermediateChart(
  study: ReportStudy,
  trials: readonly Trial[],
  view: ObjectiveView,
): TopLevelSpec | null {
  const reporting = trials.filter(({ reports }) => reports.some(({ value }) => Number.isFinite(value)))
  if (reporting.length === 0) return null
  const best = view.complete.reduce<Trial | null>((a, b) => (a === null || view.loss(b) < view.loss(a) ? b : a), null)
  const kindOf = (trial: Trial): string =>
    trial === best ? 'best' : trial.state === 'waiting' ? 'running' : trial.state
  const colors: Record<string, string> = { ...stateColors, best: 'var(--best)' }
  const order = ['failed', 'running', 'pruned', 'complete', 'best']
  const drawn = [...reporting].sort((a, b) => order.indexOf(kindOf(a)) - order.indexOf(kindOf(b)))
  const kinds = order.filter((kind) => drawn.some((trial) => kindOf(trial) === kind)).reverse()
  const points = drawn.flatMap((trial) =>
    trial.reports.map(({ step, value }) => {
      return {
        trial: trial.number,
        step,
        value: Number.isFinite(value) ? value : null,
        kind: kindOf(trial),
        tip: tipOf(study, trial),
      }
    }),
  )
  const ends = drawn.map((trial) => {
    const { step, value } = trial.reports.findLast((report) => Number.isFinite(report.value))!
    return { step, value, kind: kindOf(trial), tip: tipOf(study, trial) }
  })
  const steps = [...new Set(points.map(({ step }) => step))]
  const [first, last] = [Math.min(...steps), Math.max(...steps)]
  const axis = view.axisOf(points.flatMap(({ value }) => (value === null ? [] : [value])))
  const x = {
    field: 'step',
    type: 'quantitative',
    title: 'step (epoch)',
    scale: { domain: first === last ? [first - 1, last + 1] : [first, last], nice: false, zero: false, padding: 8 },
    axis: { tickMinStep: 1, ...(first === last && { values: [first] }) },
  }
  const y = { field: 'value', type: 'quantitative', title: view.name, ...axis }
  const color = {
    field: 'kind',
    type: 'nominal',
    title: null,
    scale: { domain: kinds, range: kinds.map((kind) => colors[kind]) },
    legend: { orient: 'top', symbolType: 'stroke', symbolStrokeWidth: 3 },
  }
  const description = { field: 'tip' }
  return {
    width: 760,
    height: 280,
    layer: [
      {
        data: { values: points },
        mark: { type: 'line', strokeWidth: 1.5, invalid: 'break-paths-filter-domains' },
        encoding: {
          x,
          y,
          color,
          description,
          detail: { field: 'trial' },
          opacity: { condition: { test: "datum.kind === 'best'", value: 1 }, value: drawn.length > 40 ? 0.4 : 0.7 },
          strokeWidth: { condition: { test: "datum.kind === 'best'", value: 3 }, value: 1.5 },
        },
      },
      {
        data: { values: ends },
        mark: { type: 'point', filled: true, size: 30, opacity: 0.9 },
        encoding: { x, y, color, description },
      },
    ],
  } as TopLevelSpec
}
