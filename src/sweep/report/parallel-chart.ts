/** Parallel coordinates: one line a complete trial, one axis a parameter and one for the objective; good trials are drawn last. */
import type { TopLevelSpec } from 'vega-lite'
import { shortLabel } from '../../report/index.ts'
import { spansMagnitudes } from '../importance/importance.ts'
import type { Parameter } from '../space/space.ts'
import type { Trial } from '../trial.ts'
import {
  axisFor,
  bandColors,
  placeOnAxis,
  short,
  tipOf,
  type ObjectiveView,
  type ParameterAxis,
  type ReportStudy,
} from './chart-data.ts'

/** Where lines go that do not have the parameter, below the axis. */
const ABSENT = -0.13
const HEIGHT = 300
/** pixels from one axis to the next */
const STEP = { least: 96, most: 190 }
const WIDTH = 860

interface Column {
  /** two lines: section and key */
  readonly title: readonly string[]
  readonly ticks: readonly { readonly place: number; readonly label: string }[]
  readonly placeOf: (trial: Trial) => number
}

/** Null when no trial is complete. */
export function parallelChart(study: ReportStudy, view: ObjectiveView): TopLevelSpec | null {
  if (view.complete.length === 0) return null
  const columns = [
    ...study.space.parameters.map((parameter) => parameterColumn(study, parameter, view)),
    objectiveColumn(view),
  ]
  const step = Math.max(STEP.least, Math.min(STEP.most, (WIDTH - 120) / Math.max(1, columns.length - 1)))
  const lines = [...view.complete]
    .sort((a, b) => view.loss(b) - view.loss(a))
    .flatMap((trial) =>
      columns.map(({ placeOf }, i) => {
        return {
          at: i * step,
          place: placeOf(trial),
          trial: trial.number,
          band: view.band(trial),
          tip: tipOf(study, trial),
        }
      }),
    )
  const absent = lines.some(({ place }) => place === ABSENT)
  const low = absent ? ABSENT - 0.06 : 0
  const scaleY = { domain: [low, 1], nice: false, zero: false }
  const scaleX = { domain: [0, Math.max(1, (columns.length - 1) * step)], nice: false, zero: false }
  const x = { field: 'at', type: 'quantitative', axis: null, scale: scaleX }
  const y = { field: 'place', type: 'quantitative', axis: null, scale: scaleY }
  const ticks = columns.flatMap((column, i) => column.ticks.map((tick) => ({ at: i * step, ...tick })))
  const gaps = absent ? columns.map((_, i) => ({ at: i * step, place: ABSENT, label: i === 0 ? 'not set' : '' })) : []
  const count = view.complete.length
  return {
    width: Math.max(1, (columns.length - 1) * step),
    height: HEIGHT,
    padding: { left: 8, right: 60, top: 8, bottom: 4 },
    view: { stroke: null },
    layer: [
      {
        data: { values: columns.map((_, i) => ({ at: i * step, from: 0, to: 1 })) },
        mark: { type: 'rule', color: 'var(--line)', strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: 'from' }, y2: { field: 'to' } },
      },
      {
        data: { values: lines },
        mark: { type: 'line', interpolate: 'linear' },
        encoding: {
          x,
          y,
          detail: { field: 'trial' },
          color: {
            field: 'band',
            type: 'ordinal',
            scale: { domain: bandColors.map((_, i) => i), range: bandColors },
            legend: null,
          },
          strokeWidth: { value: count > 60 ? 1.2 : 2 },
          opacity: { value: count > 60 ? 0.6 : 0.85 },
          description: { field: 'tip' },
        },
      },
      {
        data: { values: [...ticks, ...gaps] },
        mark: {
          type: 'text',
          align: 'left',
          dx: 5,
          fontSize: 10,
          stroke: 'var(--paper)',
          strokeWidth: 3,
          strokeJoin: 'round',
        },
        encoding: { x, y, text: { field: 'label' } },
      },
      {
        data: { values: [...ticks, ...gaps] },
        mark: { type: 'text', align: 'left', dx: 5, fontSize: 10, color: 'var(--ink)' },
        encoding: { x, y, text: { field: 'label' } },
      },
      {
        data: { values: columns.map(({ title }, i) => ({ at: i * step, title, place: 1 })) },
        mark: { type: 'text', align: i0(columns.length), dy: -30, fontSize: 11, lineBreak: '\n', lineHeight: 13 },
        encoding: { x, y, text: { field: 'title' } },
      },
    ],
  } as TopLevelSpec
}

/** A single column has nothing to be centred on. */
function i0(columns: number): 'center' | 'left' {
  return columns === 1 ? 'left' : 'center'
}

function parameterColumn(study: ReportStudy, parameter: Parameter, view: ObjectiveView): Column {
  const { space } = study
  const axis = axisFor(parameter, view.complete)
  const dot = parameter.name.lastIndexOf('.')
  const title =
    dot < 0
      ? [shortLabel(parameter.name, 16)]
      : [shortLabel(parameter.name.slice(0, dot + 1), 16), shortLabel(parameter.name.slice(dot + 1), 16)]
  return {
    title,
    ticks: ticksOf(axis, parameter),
    placeOf(trial) {
      const value = placeOnAxis(space, parameter, axis, trial)
      if (value === null) return ABSENT
      if (axis.kind === 'choice') return choicePlace(axis, axis.choices.indexOf(String(value)))
      return placeOnLine(axis, Number(value))
    },
  }
}

function choicePlace({ choices }: ParameterAxis, index: number): number {
  return (index + 0.5) / choices.length
}

function ticksOf(axis: ParameterAxis, { axis: { kind }, distribution }: Parameter): Column['ticks'] {
  if (axis.kind === 'choice') {
    // Twenty labels fit above each other.
    const every = Math.ceil(axis.choices.length / 20)
    return axis.choices.flatMap((label, i) => (i % every === 0 ? [{ place: choicePlace(axis, i), label }] : []))
  }
  const isWhole = kind === 'categorical' || distribution.type === 'int'
  const seen = new Set<string>()
  return evenly(axis, isWhole).flatMap((value) => {
    const label = isWhole ? String(Math.round(value)) : tickText(value)
    if (seen.has(label)) return []
    seen.add(label)
    return [{ place: placeOnLine(axis, value), label }]
  })
}

/** About five values from one end to the other. */
function evenly({ log, low, high }: ParameterAxis, isWhole: boolean): number[] {
  if (isWhole && !log) {
    const step = Math.max(1, Math.ceil((high - low) / 5))
    return Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, i) => low + i * step)
  }
  const places = [0, 0.25, 0.5, 0.75, 1]
  return places.map((place) => (log ? low * (high / low) ** place : low + place * (high - low)))
}

function placeOnLine({ log, low, high }: ParameterAxis, value: number): number {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low)
}

function tickText(value: number): string {
  const text = String(Number(value.toPrecision(2)))
  return /e|0\.000/.test(text) ? value.toExponential(0).replace('+', '') : text
}

function objectiveColumn(view: ObjectiveView): Column {
  const values = view.complete.map((trial) => view.value(trial))
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const axis: ParameterAxis = { kind: 'number', choices: [], log: spansMagnitudes(values, view.direction), low, high }
  const ticks =
    low === high
      ? [{ place: 0.5, label: short(low) }]
      : evenly(axis, false).map((value) => ({ place: placeOnLine(axis, value), label: short(value) }))
  return {
    title: [shortLabel(view.name, 22)],
    ticks,
    placeOf: (trial) => (low === high ? 0.5 : placeOnLine(axis, view.value(trial))),
  }
}
