/** One panel a parameter: its value against the objective, later trials darker, and what the forest expects along it. */
import type { TopLevelSpec } from 'vega-lite'
import { shortLabel } from '../../report/index.ts'
import { LEAST_TRIALS } from '../importance/importance.ts'
import type { Parameter } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import {
  axisFor,
  BANDS,
  bandColors,
  cellEdges,
  encodingOf,
  forestPlace,
  placeOnAxis,
  tipOf,
  type ObjectiveView,
  type ReportStudy,
} from './chart-data.ts'

const CELLS = 40

/** For one parameter; null when no complete trial has it. */
export function sliceChart(study: ReportStudy, view: ObjectiveView, parameter: Parameter): TopLevelSpec | null {
  const { space } = study
  const having = view.complete.filter((trial) => space.numberOf(parameter, trial.params) !== null)
  if (having.length === 0) return null
  const axis = axisFor(parameter, having)
  const last = Math.max(...view.complete.map(({ number }) => number))
  const points = having.map((trial) => {
    // The palest band would hardly be seen.
    const age = last === 0 ? BANDS - 1 : 1 + Math.round(((BANDS - 2) * trial.number) / last)
    return { at: placeOnAxis(space, parameter, axis, trial), value: view.value(trial), age, tip: tipOf(study, trial) }
  })
  const y = { field: 'value', type: 'quantitative', title: view.name, ...view.axis }
  const x = encodingOf(axis, 'at', shortLabel(parameter.name, 30))
  const dots = {
    data: { values: points },
    mark: { type: 'point', filled: true, size: 40, opacity: 0.85 },
    encoding: {
      x,
      y,
      color: {
        field: 'age',
        type: 'ordinal',
        scale: { domain: bandColors.map((_, i) => i), range: bandColors },
        legend: null,
      },
      description: { field: 'tip' },
    },
  }
  const expected = expectedAlong(study, view, parameter, having)
  const line = {
    data: { values: expected },
    mark:
      axis.kind === 'choice'
        ? { type: 'tick', orient: 'horizontal', thickness: 2, color: 'var(--pruned)' }
        : { type: 'line', interpolate: 'monotone', strokeWidth: 2, color: 'var(--pruned)', opacity: 0.8 },
    encoding: { x, y },
  }
  return { width: 230, height: 180, layer: expected.length === 0 ? [dots] : [line, dots] } as TopLevelSpec
}

/** The forest's expectation at places along the parameter, averaged over the others. */
function expectedAlong(
  study: ReportStudy,
  view: ObjectiveView,
  parameter: Parameter,
  having: readonly Trial[],
): { at: number | string; value: number }[] {
  if (having.length < LEAST_TRIALS) return []
  const { space } = study
  const surrogate = view.forest(space, having)
  const axis = axisFor(parameter, having)
  const at =
    axis.kind === 'choice'
      ? axis.choices
      : cellEdges(parameter, axis, CELLS).map(([from, to]) => (axis.log ? Math.sqrt(from * to) : (from + to) / 2))
  const places = at.map((one, choice) => (typeof one === 'number' ? forestPlace(parameter, one) : choice))
  return surrogate.expected({ parameter, places }).map(([value], i) => ({ at: at[i]!, value: value! }))
}
