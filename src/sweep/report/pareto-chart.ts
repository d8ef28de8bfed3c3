/** Two objectives against each other, with the trials that no other one beats. */
import type { TopLevelSpec } from 'vega-lite'
import { paretoFront } from '../pareto.ts'
import type { Trial } from '../trial.ts'
import { ObjectiveView, tipOf, type ReportStudy } from './chart-data.ts'

/** Null when no trial is complete. */
export function paretoChart(
  study: ReportStudy,
  trials: readonly Trial[],
  [across, up]: readonly [number, number],
): TopLevelSpec | null {
  const [first, second] = [new ObjectiveView(study, trials, across), new ObjectiveView(study, trials, up)]
  if (first.complete.length === 0) return null
  const front = new Set(paretoFront(trials, study.directions))
  const points = first.complete.map((trial) => {
    const kind = front.has(trial) ? 'Pareto front' : 'beaten'
    return { x: first.value(trial), y: second.value(trial), kind, number: trial.number, tip: tipOf(study, trial) }
  })
  const x = { field: 'x', type: 'quantitative', title: titleOf(first), ...first.axis }
  const y = { field: 'y', type: 'quantitative', title: titleOf(second), ...second.axis }
  const leading = points.filter(({ kind }) => kind === 'Pareto front')
  return {
    width: 520,
    height: 320,
    layer: [
      {
        data: { values: leading },
        mark: {
          type: 'line',
          color: 'var(--best)',
          strokeDash: [5, 4],
          opacity: study.directions.length === 2 ? 1 : 0,
        },
        encoding: { x, y, order: { field: 'x' } },
      },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, opacity: 0.9 },
        encoding: {
          x,
          y,
          size: { condition: { test: "datum.kind === 'beaten'", value: 35 }, value: 80 },
          color: {
            field: 'kind',
            type: 'nominal',
            title: null,
            scale: { domain: ['Pareto front', 'beaten'], range: ['var(--best)', 'var(--running)'] },
            legend: { orient: 'top' },
          },
          description: { field: 'tip' },
        },
      },
      {
        data: { values: leading.length <= 12 ? leading : [] },
        mark: { type: 'text', dy: -11, fontSize: 10 },
        encoding: { x, y, text: { field: 'number' } },
      },
    ],
  } as TopLevelSpec
}

function titleOf({ name, direction }: ObjectiveView): string {
  return `${name} (${direction === 'minimize' ? 'smaller' : 'greater'} is better)`
}
