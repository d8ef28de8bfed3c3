/**
 * Loss, accuracy and time per epoch of a whole run, from its history.
 */
import { lineChart, type LinePanel } from './line-chart.ts'

/** The columns of a run's history that are drawn; null or absent is "not measured". */
export interface CurveRecord {
  readonly phase: string
  /** counted from 1 */
  readonly epoch: number
  readonly seconds?: number | null
  readonly train_loss?: number | null
  readonly val_loss?: number | null
  readonly train_accuracy?: number | null
  readonly val_accuracy?: number | null
}

type Column = 'seconds' | 'train_loss' | 'val_loss' | 'train_accuracy' | 'val_accuracy'

/**
 * PNGs by file name: loss-curve.png, accuracy-curve.png, time-per-epoch.png. One that no record has values for is left
 * out: a run of the contrastive phase alone has no accuracy.
 */
export async function trainingCurves(history: readonly CurveRecord[]): Promise<Map<string, Buffer>> {
  const charts = new Map<string, Buffer>()
  const loss = panels(history, [
    ['training', 'train_loss'],
    ['validation', 'val_loss'],
  ])
  const accuracy = panels(history, [
    ['training', 'train_accuracy'],
    ['validation', 'val_accuracy'],
  ])
  const time = panels(history, [['time', 'seconds']])
  const shared = { xTitle: 'epoch' }
  if (loss.length > 0) {
    const options = { ...shared, title: 'Loss', yTitle: 'loss', yScale: 'auto', panels: loss } as const
    charts.set('loss-curve.png', await lineChart(options))
  }
  if (accuracy.length > 0) {
    const options = { ...shared, title: 'Accuracy', yTitle: 'top-1', yFormat: '~p', panels: accuracy }
    charts.set('accuracy-curve.png', await lineChart(options))
  }
  if (time.length > 0) {
    const options = { ...shared, title: 'Time per epoch', yTitle: 'seconds', zero: true, panels: time }
    charts.set('time-per-epoch.png', await lineChart(options))
  }
  return charts
}

/** One panel a phase, in order of appearance, with those columns that any of the phase's records has. */
function panels(history: readonly CurveRecord[], columns: readonly (readonly [string, Column])[]): LinePanel[] {
  const phases = [...new Set(history.map((record) => record.phase))]
  return phases.flatMap((title) => {
    const records = history.filter((record) => record.phase === title)
    const series = columns.flatMap(([name, column]) => {
      const present = records.filter((record) => (record[column] ?? null) !== null)
      if (present.length === 0) return []
      return [{ name, x: present.map((record) => record.epoch), y: present.map((record) => record[column]!) }]
    })
    return series.length > 0 ? [{ title, series }] : []
  })
}
