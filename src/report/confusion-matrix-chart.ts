/**
 * Confusion matrix as an image: rows are true classes, columns predicted ones, colour is the fraction of the row.
 *
 * Up to 20 classes show their counts; up to 120 every class has its label; beyond, the axes count classes. Only cells
 * that are not zero are drawn, so that 1,000 classes give as many marks as there are kinds of outcome, not a million.
 */
import type { TopLevelSpec } from 'vega-lite'
import { ShapeError } from '../util/errors.ts'
import { shortLabel } from './label.ts'
import { renderPng } from './render.ts'

export interface ConfusionMatrixChartOptions {
  readonly title?: string
  /** counts, flat [C, C], rows = true class */
  readonly confusion: Uint32Array
  /** [C] */
  readonly classNames: readonly string[]
}

const COUNTS_UP_TO = 20
const LABELS_UP_TO = 120
/** of the label font in CSS pixels, generously */
const CHARACTER_WIDTH = 8

/** @throws {ShapeError} when the matrix does not fit the class names */
export async function confusionMatrixChart(options: ConfusionMatrixChartOptions): Promise<Buffer> {
  return renderPng(confusionMatrixSpec(options))
}

export function confusionMatrixSpec(options: ConfusionMatrixChartOptions): TopLevelSpec {
  const { confusion, classNames } = options
  const numClasses = classNames.length
  if (numClasses === 0 || confusion.length !== numClasses ** 2) {
    throw new ShapeError(`Expected ${numClasses} × ${numClasses} counts, got ${confusion.length}.`)
  }
  const size = Math.min(900, Math.max(240, numClasses * (numClasses <= COUNTS_UP_TO ? 44 : 10)))
  const names = classNames.map((name) => shortLabel(name))
  const level = Math.max(...names.map((name) => name.length)) * CHARACTER_WIDTH <= size / numClasses
  const text = {
    mark: { type: 'text', fontSize: 11 },
    encoding: {
      text: { field: 'count', type: 'quantitative', format: ',d' },
      color: { condition: { test: 'datum.fraction > 0.35', value: 'white' }, value: '#222' },
    },
  }
  return {
    title: options.title ?? 'Confusion matrix',
    params: [{ name: 'names', value: names }],
    data: { values: filledCells(confusion, numClasses) },
    width: size,
    height: size,
    encoding: {
      x: axis('predicted', 'predicted class', numClasses, level ? 0 : -90),
      y: axis('label', 'true class', numClasses, 0),
    },
    layer: [
      {
        mark: { type: 'rect' },
        encoding: {
          color: {
            field: 'fraction',
            type: 'quantitative',
            title: ['fraction of', 'true class'],
            // The root scale keeps rare errors visible beside a strong diagonal.
            scale: { type: 'sqrt', domain: [0, 1], range: ['#ffffff', '#6baed6', '#08306b'], interpolate: 'rgb' },
            legend: { format: '.0%', values: [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], gradientLength: 240 },
          },
        },
      },
      ...(numClasses <= COUNTS_UP_TO ? [text] : []),
    ],
  } as TopLevelSpec
}

function axis(field: string, title: string, numClasses: number, labelAngle: number): object {
  const labelled = numClasses <= LABELS_UP_TO
  const labels = {
    labelExpr: 'names[datum.value]',
    labelFontSize: numClasses <= COUNTS_UP_TO ? 11 : 7,
    labelAngle,
    labelLimit: 220,
    labelOverlap: false,
    ticks: false,
  }
  const step = numClasses > 400 ? 100 : 20
  const counted = { values: Array.from({ length: Math.ceil(numClasses / step) }, (_, i) => i * step), labelAngle: 0 }
  return {
    field,
    type: 'ordinal',
    title,
    scale: { domain: Array.from({ length: numClasses }, (_, c) => c), padding: 0 },
    axis: { grid: false, domain: false, ...(labelled ? labels : counted) },
  }
}

function filledCells(confusion: Uint32Array, numClasses: number): object[] {
  const cells: object[] = []
  for (let label = 0; label < numClasses; label++) {
    const row = confusion.subarray(label * numClasses, (label + 1) * numClasses)
    const support = row.reduce((sum, count) => sum + count, 0)
    row.forEach((count, predicted) => {
      if (count > 0) cells.push({ label, predicted, count, fraction: count / support })
    })
  }
  return cells
}
