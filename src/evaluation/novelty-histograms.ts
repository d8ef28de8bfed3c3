/** How the out-of-distribution scores of samples that were classified rightly lie beside those of the others. */
import type { HistogramPanel } from '../report/index.ts'
import type { Analysis } from './evaluate.ts'
import { noveltyNames, type Scores } from './scores.ts'

const bars = 40
/** The outermost bars hold what lies beyond this share of the samples on each side: one far sample would squeeze all others into a bar. */
const tail = 0.005

/** A panel for the energy and one for each detector. */
export function noveltyHistograms(
  { labels, novelty = {} }: Scores,
  { predicted, energyScores }: Analysis,
): HistogramPanel[] {
  const measured: [string, Float64Array][] = [
    ['energy', energyScores.map((score) => -score)],
    ...noveltyNames.flatMap((name): [string, Float64Array][] => {
      const values = novelty[name]
      return values === undefined ? [] : [[name, values]]
    }),
  ]
  return measured.map(([title, values]) => {
    const sorted = Float64Array.from(values).sort()
    const outside = Math.floor(tail * sorted.length)
    const low = sorted[outside] ?? 0
    const high = sorted[sorted.length - 1 - outside] ?? 0
    const width = (high - low || 1) / bars
    const count = (isRight: boolean): number[] => {
      const counts = new Array<number>(bars).fill(0)
      values.forEach((value, row) => {
        if ((predicted[row] === labels[row]) !== isRight) return
        counts[Math.max(0, Math.min(bars - 1, Math.floor((value - low) / width)))]!++
      })
      return counts
    }
    const edges = Array.from({ length: bars + 1 }, (_, bar) => low + bar * width)
    return {
      title,
      edges,
      groups: [
        { name: 'right', counts: count(true) },
        { name: 'wrong', counts: count(false) },
      ],
    }
  })
}
