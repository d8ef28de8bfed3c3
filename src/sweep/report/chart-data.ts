/** What the charts of a sweep have in common: the trials of a study by state, an axis for a parameter, bands of colour, labels. */
import { shortLabel } from '../../report/index.ts'
import { placeOfNumber, spansMagnitudes, Surrogate } from '../importance/importance.ts'
import { cellOf, type NumericAxis } from '../space/axis.ts'
import type { Json } from '../space/distribution.ts'
import type { Parameter, Space } from '../space/space.ts'
import { asLoss, type Direction, type Trial } from '../trial.ts'

/** A study as the report reads it. */
export interface ReportStudy {
  readonly name: string
  readonly space: Space
  readonly objectives: readonly string[]
  readonly directions: readonly Direction[]
}

export const BANDS = 7

/** Colours of a page, worst band first. */
export const bandColors: readonly string[] = Array.from({ length: BANDS }, (_, i) => `var(--band-${i})`)

export const stateColors = {
  complete: 'var(--complete)',
  pruned: 'var(--pruned)',
  failed: 'var(--failed)',
  running: 'var(--running)',
} as const

/** One objective of the complete trials. */
export class ObjectiveView {
  readonly index: number
  readonly name: string
  readonly direction: Direction
  /** by number */
  readonly complete: readonly Trial[]
  readonly #forests = new Map<string, Surrogate>()

  constructor(study: ReportStudy, trials: readonly Trial[], index: number) {
    this.index = index
    this.name = study.objectives[index]!
    this.direction = study.directions[index]!
    this.complete = trials.filter(({ state }) => state === 'complete')
  }

  value(trial: Trial): number {
    return trial.values![this.index]!
  }

  loss(trial: Trial): number {
    return asLoss(this.value(trial), this.direction)
  }

  /** 0 (worst seventh of the complete trials) … 6 (best) */
  band(trial: Trial): number {
    const better = this.complete.filter((other) => this.loss(other) < this.loss(trial)).length
    return BANDS - 1 - Math.min(BANDS - 1, Math.floor((better * BANDS) / Math.max(1, this.complete.length)))
  }

  /** A forest over all parameters that these trials have. */
  forest(space: Space, having: readonly Trial[]): Surrogate {
    const key = having.map(({ number }) => number).join()
    let forest = this.#forests.get(key)
    if (forest === undefined) {
      const shared = space.parameters.filter((parameter) =>
        having.every(({ params }) => space.numberOf(parameter, params) !== null),
      )
      forest = new Surrogate(space, shared, having, this.index, this.direction)
      this.#forests.set(key, forest)
    }
    return forest
  }

  /** The vertical axis of complete trials. */
  get axis(): { scale: object; axis: object } {
    return this.axisOf(this.complete.map((trial) => this.value(trial)))
  }

  /** Scale and ticks for values of the objective. */
  axisOf(values: readonly number[]): { scale: object; axis: object } {
    const scale = this.#scaleOf(values)
    return { scale, axis: { tickCount: 6, ...('type' in scale && { labelExpr: NUMBER_LABEL }) } }
  }

  #scaleOf(values: readonly number[]): object {
    const finite = values.filter(Number.isFinite)
    const [low, high] = [Math.min(...finite), Math.max(...finite)]
    if (spansMagnitudes(finite, this.direction)) return { type: 'log', nice: false }
    if (low === high)
      return { zero: false, domain: [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1] }
    return { zero: false, padding: 6 }
  }
}

/** A parameter's axis of a chart. */
export interface ParameterAxis {
  readonly kind: 'number' | 'choice'
  /** labels of the choices, in order */
  readonly choices: readonly string[]
  readonly log: boolean
  readonly low: number
  readonly high: number
}

/** Unordered whole numbers beyond so many are drawn along a line. */
const MOST_CHOICES = 40

export function axisFor({ name, axis, distribution }: Parameter, trials: readonly Trial[]): ParameterAxis {
  if (distribution.type === 'categorical') {
    return {
      kind: 'choice',
      choices: choiceLabels(distribution.choices),
      log: false,
      low: 0,
      high: distribution.choices.length,
    }
  }
  if (axis.kind === 'categorical') {
    const { low, high } = distribution as { low: number; high: number }
    if (axis.size <= MOST_CHOICES) {
      const choices = Array.from({ length: axis.size }, (_, i) => String(low + i))
      return { kind: 'choice', choices, log: false, low: 0, high: axis.size }
    }
    return { kind: 'number', choices: [], log: false, low, high: high - 1 }
  }
  const values = trials.flatMap(({ params }) => (typeof params[name] === 'number' ? [params[name]] : []))
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const low = Number.isFinite(axis.low) && !(axis.log && axis.low <= 0) ? axis.low : least
  const high = Number.isFinite(axis.high) ? axis.high : most
  // A logarithmic quantity whose grid reaches 0 is drawn linearly: zero has no place on a logarithmic axis.
  const log = axis.log && low > 0
  if (low < high) return { kind: 'number', choices: [], log, low, high }
  const [before, after] = log ? [low / 2, low * 2] : [low - 1, low + 1]
  return { kind: 'number', choices: [], log, low: before, high: after }
}

/** The label of a choice, or the number itself; null where the trial does not have the parameter. */
export function placeOnAxis(
  space: Space,
  parameter: Parameter,
  view: ParameterAxis,
  trial: Trial,
): number | string | null {
  const number = space.numberOf(parameter, trial.params)
  if (number === null) return null
  if (view.kind === 'choice') return view.choices[number]!
  return trial.params[parameter.name] as number
}

/** A value of a numeric axis as the forest knows it. */
export function forestPlace(parameter: Parameter, value: number): number {
  const { distribution } = parameter
  return placeOfNumber(parameter, distribution.type === 'randint' ? value - distribution.low : value)
}

/** Encoding of a parameter for Vega-Lite. */
export function encodingOf(view: ParameterAxis, field: string, title: string, isVertical = false): object {
  if (view.kind === 'choice') {
    const long = Math.max(...view.choices.map((label) => label.length)) * view.choices.length > 30
    return {
      field,
      type: 'nominal',
      title,
      scale: { domain: view.choices },
      axis: { labelAngle: long && !isVertical ? -35 : 0, labelOverlap: view.choices.length > 12 },
    }
  }
  const { log, low, high } = view
  return {
    field,
    type: 'quantitative',
    title,
    scale: {
      type: log ? 'log' : 'linear',
      domain: [low, high],
      nice: false,
      padding: 6,
      ...(!log && { zero: false }),
    },
    axis: log ? decades(low, high) : { tickCount: 5, labelFlush: false },
  }
}

/** Ticks at powers of ten where there are two or more. */
function decades(low: number, high: number): object {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  const values = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => 10 ** (first + i))
  return { labelExpr: NUMBER_LABEL, labelFlush: false, ...(values.length >= 2 ? { values } : { tickCount: 4 }) }
}

/** Edges of cells along an axis: the grid's own where it has few values. */
export function cellEdges({ axis }: Parameter, view: ParameterAxis, cells: number): [from: number, to: number][] {
  if (axis.kind === 'numeric' && axis.step !== null && Number.isFinite(axis.low) && Number.isFinite(axis.high)) {
    const count = Math.round((axis.high - axis.low) / axis.step) + 1
    if (count <= cells) return Array.from({ length: count }, (_, i) => stepEdges(axis, axis.low + i * axis.step!))
  }
  const [from, to] = view.log ? [Math.log(view.low), Math.log(view.high)] : [view.low, view.high]
  const at = (i: number): number => {
    const place = from + ((to - from) * i) / cells
    return view.log ? Math.exp(place) : place
  }
  return Array.from({ length: cells }, (_, i) => [at(i), at(i + 1)])
}

function stepEdges(axis: NumericAxis, value: number): [number, number] {
  const [from, to] = cellOf(axis, value)
  return axis.log ? [Math.exp(from), Math.exp(to)] : [from, to]
}

/** Choices as text: words as they are, all else as JSON; different choices stay different. */
function choiceLabels(choices: readonly Json[]): string[] {
  const labels = choices.map((choice) => shortLabel(typeof choice === 'string' ? choice : JSON.stringify(choice), 18))
  return labels.map((label, i) => (labels.indexOf(label) === i ? label : `${label} (${i})`))
}

/** Labels of logarithmic axes: 1e-5, 0.001, 10, 1e+6. */
const NUMBER_LABEL = "datum.value < 0.001 || datum.value >= 1e5 ? format(datum.value, '~e') : format(datum.value, '~g')"

/** Four significant digits, without the tail of zeros; an exponent where there would be many. */
export function short(value: number, digits = 4): string {
  const rounded = Number(value.toPrecision(digits))
  const size = Math.abs(rounded)
  if (rounded === 0 || (size >= 1e-4 && size < 10 ** Math.max(6, digits))) return String(rounded)
  return rounded.toExponential().replace('+', '')
}

export function valueText(value: Json | undefined): string {
  if (value === undefined) return '–'
  if (typeof value === 'number') return short(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** `trial 3: validation_accuracy 0.98 · arcface.lr 0.001 · …`, the tip of a mark. */
export function tipOf(study: ReportStudy, trial: Trial): string {
  const values = trial.values?.map((value, i) => `${study.objectives[i]} ${short(value)}`) ?? [
    trial.state === 'failed' ? `failed (${trial.failure?.kind})` : trial.state,
  ]
  const params = Object.entries(trial.params).map(([name, value]) => `${name} ${valueText(value)}`)
  return `trial ${trial.number}: ${[...values, ...params].join(' · ')}`
}
