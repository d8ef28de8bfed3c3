/** Two parameters against each other: what the forest expects, as bands of colour, with the trials on top. */
import type { TopLevelSpec } from 'vega-lite'
import { shortLabel } from '../../report/index.ts'
import { LEAST_TRIALS, spansMagnitudes } from '../importance/importance.ts'
import type { Parameter } from '../space/space.ts'
import { asLoss, type Trial } from '../trial.ts'
import {
  axisFor,
  BANDS,
  bandColors,
  cellEdges,
  encodingOf,
  forestPlace,
  placeOnAxis,
  short,
  tipOf,
  type ObjectiveView,
  type ParameterAxis,
  type ReportStudy,
} from './chart-data.ts'

const CELLS = 24

/** Null when fewer than four complete trials have both, or the forest sees no difference. */
export function contourChart(
  study: ReportStudy,
  view: ObjectiveView,
  [across, up]: readonly [Parameter, Parameter],
): TopLevelSpec | null {
  const { space } = study
  const having = view.complete.filter(({ params }) =>
    [across, up].every((parameter) => space.numberOf(parameter, params) !== null),
  )
  if (having.length < LEAST_TRIALS) return null
  const surrogate = view.forest(space, having)
  const [xAxis, yAxis] = [axisFor(across, having), axisFor(up, having)]
  const [columns, rows] = [cellsOf(across, xAxis), cellsOf(up, yAxis)]
  const values = surrogate.expected(
    { parameter: up, places: rows.map(({ place }) => place) },
    { parameter: across, places: columns.map(({ place }) => place) },
  )
  const isLog = spansMagnitudes(values.flat(), view.direction)
  const heightOf = (value: number): number => (isLog ? Math.log(value) : asLoss(value, view.direction))
  const losses = values.flat().map(heightOf)
  const [best, worst] = [Math.min(...losses), Math.max(...losses)]
  if (!(worst > best)) return null
  const bandOf = (value: number): number =>
    Math.min(BANDS - 1, Math.floor(((worst - heightOf(value)) / (worst - best)) * BANDS))
  const edges = Array.from({ length: BANDS }, (_, band) => {
    const loss = worst - ((worst - best) * (band + 0.5)) / BANDS
    return isLog ? Math.exp(loss) : asLoss(loss, view.direction)
  })
  const digits = isLog ? 3 : Math.max(2, Math.ceil(Math.log10(Math.abs(best) / (worst - best))) + 3)
  const labels = edges.map((edge) => short(edge, Math.min(10, digits)))
  const rectangles = rows.flatMap((row, r) =>
    runs(values[r]!.map(bandOf), xAxis).map(({ from, to, band }) => {
      return { x: columns[from]!.from, x2: columns[to]!.to, y: row.from, y2: row.to, band }
    }),
  )
  const winner = having.reduce((a, b) => (view.loss(b) < view.loss(a) ? b : a))
  const dots = having.map((trial: Trial) => {
    const place = (parameter: Parameter, axis: ParameterAxis) => placeOnAxis(space, parameter, axis, trial)
    return { x: place(across, xAxis), y: place(up, yAxis), best: trial === winner, tip: tipOf(study, trial) }
  })
  const bands = bandColors.map((_, band) => band)
  const x = fullBleed(encodingOf(xAxis, 'x', shortLabel(across.name, 30)), xAxis, columns)
  const y = fullBleed(encodingOf(yAxis, 'y', shortLabel(up.name, 30), true), yAxis, rows)
  return {
    params: [{ name: 'labels', value: labels }],
    width: 250,
    height: 230,
    layer: [
      {
        data: { values: rectangles },
        mark: { type: 'rect', strokeWidth: 0 },
        encoding: {
          x,
          ...(xAxis.kind === 'number' && { x2: { field: 'x2' } }),
          y,
          ...(yAxis.kind === 'number' && { y2: { field: 'y2' } }),
          color: {
            field: 'band',
            type: 'ordinal',
            title: 'expected',
            scale: { domain: bands, range: bandColors },
            legend: {
              symbolType: 'square',
              symbolSize: 120,
              symbolStrokeWidth: 0,
              values: [...bands].reverse(),
              labelExpr: 'labels[datum.value]',
            },
          },
        },
      },
      {
        data: { values: dots },
        mark: { type: 'point', filled: true, stroke: 'var(--paper)', strokeWidth: 1, opacity: 1 },
        encoding: {
          x,
          y,
          size: { condition: { test: 'datum.best', value: 110 }, value: 28 },
          color: { condition: { test: 'datum.best', value: 'var(--best)' }, value: 'var(--ink)' },
          description: { field: 'tip' },
        },
      },
    ],
  } as TopLevelSpec
}

interface Cell {
  readonly from: number | string
  readonly to: number | string
  /** as the forest knows it */
  readonly place: number
}

function cellsOf(parameter: Parameter, axis: ParameterAxis): Cell[] {
  if (axis.kind === 'choice') return axis.choices.map((label, place) => ({ from: label, to: label, place }))
  return cellEdges(parameter, axis, CELLS).map(([from, to]) => {
    const middle = axis.log ? Math.sqrt(from * to) : (from + to) / 2
    return { from, to, place: forestPlace(parameter, middle) }
  })
}

/** The cells reach the frame. */
function fullBleed(encoding: object, axis: ParameterAxis, cells: readonly Cell[]): object {
  const { scale } = encoding as { scale: object }
  if (axis.kind === 'choice') return { ...encoding, scale: { ...scale, type: 'band', padding: 0 } }
  return { ...encoding, scale: { ...scale, domain: [cells[0]!.from, cells.at(-1)!.to], padding: 0 } }
}

/** Neighbours of one band in a row become one rectangle. Choices stay apart: a band scale has no place between them. */
function runs(bands: readonly number[], { kind }: ParameterAxis): { from: number; to: number; band: number }[] {
  const joined: { from: number; to: number; band: number }[] = []
  bands.forEach((band, i) => {
    const last = joined.at(-1)
    if (kind === 'number' && last?.band === band) last.to = i
    else joined.push({ from: i, to: i, band })
  })
  return joined
}
