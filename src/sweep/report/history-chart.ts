/** Optimisation history: the value of each complete trial, the best so far as steps, and where trials were pruned or failed. */
import type { TopLevelSpec } from 'vega-lite'
import type { Trial } from '../trial.ts'
import { stateColors, tipOf, type ObjectiveView, type ReportStudy } from './chart-data.ts'

const shapes: Readonly<Record<string, string>> = { complete: 'circle', pruned: 'triangle-up', failed: 'cross' }

/** Null when no trial is complete. */
export function historyChart(study: ReportStudy, trials: readonly Trial[], view: ObjectiveView): TopLevelSpec | null {
  const { complete } = view
  if (complete.length === 0) return null
  let best = complete[0]!
  const steps = complete.map((trial) => {
    if (view.loss(trial) < view.loss(best)) best = trial
    return { number: trial.number, best: view.value(best) }
  })
  const last = trials.at(-1)!.number
  const others = trials.filter(({ state }) => state === 'pruned' || state === 'failed')
  const seen = ['complete', 'pruned', 'failed'].filter((state) => trials.some((trial) => trial.state === state))
  const x = {
    field: 'number',
    type: 'quantitative',
    title: 'trial',
    scale: { domain: [-0.5, Math.max(last, 1) + 0.5], nice: false, zero: false },
    axis: { tickMinStep: 1, format: 'd' },
  }
  const color = {
    field: 'state',
    type: 'nominal',
    title: null,
    scale: { domain: seen, range: seen.map((state) => stateColors[state as 'complete']) },
    legend: seen.length > 1 ? { orient: 'top' } : null,
  }
  return {
    width: 760,
    height: 240,
    layer: [
      {
        data: { values: [...steps, { number: last + 0.5, best: view.value(best) }] },
        mark: { type: 'line', interpolate: 'step-after', color: 'var(--best)', strokeWidth: 2 },
        encoding: { x, y: { field: 'best', type: 'quantitative', title: view.name, ...view.axis } },
      },
      {
        data: {
          values: complete.map((trial) => {
            return { number: trial.number, value: view.value(trial), state: 'complete', tip: tipOf(study, trial) }
          }),
        },
        mark: { type: 'point', filled: true, size: 45, opacity: 0.85 },
        encoding: {
          x,
          y: { field: 'value', type: 'quantitative', title: view.name, ...view.axis },
          color,
          description: { field: 'tip' },
        },
      },
      {
        // Trials without a value stand at the foot of the chart.
        data: {
          values: others.map((trial) => ({ number: trial.number, state: trial.state, tip: tipOf(study, trial) })),
        },
        mark: { type: 'point', size: 36, yOffset: -6, strokeWidth: 1.6 },
        encoding: {
          x,
          y: { value: 240 },
          color,
          shape: {
            field: 'state',
            type: 'nominal',
            scale: { domain: seen, range: seen.map((state) => shapes[state]) },
          },
          description: { field: 'tip' },
        },
      },
    ],
  } as TopLevelSpec
}
