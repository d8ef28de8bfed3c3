/**
 * Reliability diagram, Guo et al. 2017, figure 1: accuracy of each confidence bin against the diagonal of perfect
 * calibration, above a histogram of how many samples each bin holds.
 */
import type { TopLevelSpec } from 'vega-lite'
import { renderPng } from './render.ts'

/** A confidence bin; `confidence` and `accuracy` are NaN where `count` is 0. */
export interface DiagramBin {
  readonly lower: number
  readonly upper: number
  readonly count: number
  readonly confidence: number
  readonly accuracy: number
}

export interface ReliabilityDiagramOptions {
  readonly title?: string
  readonly bins: readonly DiagramBin[]
  /** expected calibration error, fraction */
  readonly ece: number
}

export async function reliabilityDiagram(options: ReliabilityDiagramOptions): Promise<Buffer> {
  return renderPng(reliabilityDiagramSpec(options))
}

export function reliabilityDiagramSpec({ title, bins, ece }: ReliabilityDiagramOptions): TopLevelSpec {
  const filled = bins.filter((bin) => bin.count > 0)
  const total = filled.reduce((sum, bin) => sum + bin.count, 0)
  const rows = filled.map((bin) => ({
    ...bin,
    share: bin.count / total,
    low: Math.min(bin.accuracy, bin.confidence),
    high: Math.max(bin.accuracy, bin.confidence),
  }))
  const x = {
    field: 'lower',
    type: 'quantitative',
    bin: 'binned',
    title: null,
    scale: { domain: [0, 1] },
    axis: { format: '~g', tickCount: 10, labels: false, grid: true, labelFlush: false },
  }
  const fraction = { scale: { domain: [0, 1] }, axis: { format: '~g', tickCount: 10 } }
  const gapOrAccuracy = { domain: ['accuracy', 'gap to confidence'], range: ['#4c78a8', '#f2b5b4'] }
  return {
    title: { text: title ?? 'Reliability diagram', subtitle: `expected calibration error ${ece.toFixed(4)}` },
    data: { values: rows },
    spacing: 8,
    vconcat: [
      {
        width: 380,
        height: 380,
        layer: [
          {
            mark: { type: 'bar', binSpacing: 1 },
            encoding: {
              x,
              x2: { field: 'upper' },
              y: { field: 'accuracy', type: 'quantitative', title: 'accuracy', ...fraction },
              color: { datum: 'accuracy', scale: gapOrAccuracy, title: null, legend: { orient: 'top-left' } },
            },
          },
          {
            mark: { type: 'bar', binSpacing: 1, opacity: 0.75 },
            encoding: {
              x,
              x2: { field: 'upper' },
              y: { field: 'low', type: 'quantitative', ...fraction },
              y2: { field: 'high' },
              color: { datum: 'gap to confidence' },
            },
          },
          {
            // Where accuracy is the higher of the two the gap lies on its bar: the line says where the bar ends.
            mark: { type: 'rule', color: '#2b4b75', strokeWidth: 3 },
            encoding: { x, x2: { field: 'upper' }, y: { field: 'accuracy', type: 'quantitative', ...fraction } },
          },
          {
            data: { values: [{ from: 0, to: 1 }] },
            mark: { type: 'rule', strokeDash: [4, 4], color: '#555' },
            encoding: {
              x: { field: 'from', type: 'quantitative' },
              y: { field: 'from', type: 'quantitative' },
              x2: { field: 'to' },
              y2: { field: 'to' },
            },
          },
        ],
      },
      {
        width: 380,
        height: 80,
        mark: { type: 'bar', binSpacing: 1, color: '#9aa5b1' },
        encoding: {
          x: { ...x, title: 'confidence', axis: { ...x.axis, labels: true } },
          x2: { field: 'upper' },
          y: {
            field: 'share',
            type: 'quantitative',
            title: 'samples',
            scale: { domain: [0, 1] },
            axis: { format: '~p', tickCount: 3 },
          },
        },
      },
    ],
  } as TopLevelSpec
}
