/**
 * Loss, accuracy and time per epoch of a whole run, from its history.
 */
import { lineChart, type LineChartOptions, type LinePanel } from './line-chart.ts'

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

interface Curve extends Omit<LineChartOptions, 'panels' | 'xTitle'> {
  readonly file: string
  /** names of the lines, with their columns */
  readonly lines: Readonly<Record<string, Exclude<keyof CurveRecord, 'phase' | 'epoch'>>>
}

const curves: readonly Curve[] = [
  {
    file: 'loss-curve.png',
    title: 'Loss',
    yTitle: 'loss',
    yScale: 'auto',
    lines: { training: 'train_loss', validation: 'val_loss' },
  },
  {
    file: 'accuracy-curve.png',
    title: 'Accuracy',
    yTitle: 'top-1',
    yFormat: '~p',
    lines: { training: 'train_accuracy', validation: 'val_accuracy' },
  },
  { file: 'time-per-epoch.png', title: 'Time per epoch', yTitle: 'seconds', zero: true, lines: { time: 'seconds' } },
]

/**
 * PNGs by file name: loss-curve.png, accuracy-curve.png, time-per-epoch.png. One that no record has values for is left
 * out: a run of the contrastive phase alone has no accuracy.
 */
export async function trainingCurves(history: readonly CurveRecord[]): Promise<Map<string, Buffer>> {
  const charts = new Map<string, Buffer>()
  for (const { file, lines, ...options } of curves) {
    const panels = panelsOf(history, lines)
    if (panels.length > 0)
      charts.set(file, await lineChart({ ...options, order: ['training', 'validation'], xTitle: 'epoch', panels }))
  }
  return charts
}

/** One panel a phase, in order of appearance, with those lines that any of the phase's records has a value for. */
function panelsOf(history: readonly CurveRecord[], lines: Curve['lines']): LinePanel[] {
  const phases = [...new Set(history.map((record) => record.phase))]
  const panels = phases.map((phase) => ({
    title: phase,
    series: Object.entries(lines).map(([name, column]) => {
      const measured = history.filter((record) => record.phase === phase && typeof record[column] === 'number')
      return { name, x: measured.map((record) => record.epoch), y: measured.map((record) => record[column] as number) }
    }),
  }))
  return panels
    .map(({ title, series }) => ({ title, series: series.filter((line) => line.x.length > 0) }))
    .filter(({ series }) => series.length > 0)
}
