/** When each trial ran. Pauses of the whole sweep (a night between two parts) are cut out and marked. */
import type { TopLevelSpec } from 'vega-lite'
import type { Trial } from '../trial.ts'
import { stateColors, tipOf, type ReportStudy } from './chart-data.ts'

interface Span {
  readonly from: number
  readonly to: number
}

/** Pauses longer than this share of the time worked are cut. */
const LONG_PAUSE = 0.1

/** Null when no trial has ended. */
export function timelineChart(study: ReportStudy, trials: readonly Trial[]): TopLevelSpec | null {
  const ran = trials.filter(({ startedAt, finishedAt }) => startedAt !== null && finishedAt !== null)
  if (ran.length === 0) return null
  const spans = ran.map((trial) => ({ from: Date.parse(trial.startedAt!), to: Date.parse(trial.finishedAt!) }))
  const { at, pauses } = workedTime(spans)
  const total = at(Math.max(...spans.map(({ to }) => to)))
  const [unit, title] = total > 3 * 3600e3 ? [3600e3, 'hours'] : total > 180e3 ? [60e3, 'minutes'] : [1e3, 'seconds']
  const kinds = (['complete', 'pruned', 'failed'] as const).filter((state) =>
    ran.some((trial) => trial.state === state),
  )
  const height = Math.min(420, Math.max(60, ran.length * 14))
  const bars = ran.map((trial, i) => {
    const [from, to] = [at(spans[i]!.from) / unit, at(spans[i]!.to) / unit]
    // A bar of no width would not be seen.
    return {
      trial: trial.number,
      from,
      to: Math.max(to, from + total / unit / 600),
      state: trial.state,
      tip: tipOf(study, trial),
    }
  })
  const last = Math.max(...ran.map(({ number }) => number))
  const y = {
    field: 'trial',
    type: 'quantitative',
    title: 'trial',
    scale: { domain: [last + 0.5, -0.5], nice: false, zero: false },
    axis: { tickMinStep: 1, format: 'd' },
  }
  const x = { type: 'quantitative', title: `${title} since the first trial began` }
  return {
    width: 760,
    height,
    layer: [
      {
        data: { values: bars },
        mark: { type: 'bar', height: Math.max(1, Math.min(12, height / (last + 1) - 1)) },
        encoding: {
          x: { ...x, field: 'from', scale: { domain: [0, total / unit], nice: false } },
          x2: { field: 'to' },
          y,
          color: {
            field: 'state',
            type: 'nominal',
            title: null,
            scale: { domain: kinds, range: kinds.map((state) => stateColors[state]) },
            legend: kinds.length > 1 ? { orient: 'top' } : null,
          },
          description: { field: 'tip' },
        },
      },
      {
        data: {
          values: pauses.map(({ place, length }) => ({ place: place / unit, text: `${durationText(length)} pause` })),
        },
        layer: [
          {
            mark: { type: 'rule', strokeDash: [4, 3], color: 'var(--muted)' },
            encoding: { x: { ...x, field: 'place' } },
          },
          {
            mark: { type: 'text', align: 'left', dx: 4, y: 8, color: 'var(--muted)', fontSize: 10 },
            encoding: { x: { ...x, field: 'place' }, text: { field: 'text' } },
          },
        ],
      },
    ],
  } as TopLevelSpec
}

/** Maps clock times (milliseconds) to time without the long pauses in which nothing ran. */
export function workedTime(spans: readonly Span[]): {
  readonly at: (time: number) => number
  readonly pauses: readonly { readonly place: number; readonly length: number }[]
} {
  const sorted = [...spans].sort((a, b) => a.from - b.from)
  const begin = sorted[0]!.from
  const gaps: Span[] = []
  let until = begin
  for (const { from, to } of sorted) {
    if (from > until) gaps.push({ from: until, to: from })
    until = Math.max(until, to)
  }
  const worked = until - begin - gaps.reduce((sum, { from, to }) => sum + to - from, 0)
  const long = gaps.filter(({ from, to }) => to - from > LONG_PAUSE * worked)
  const at = (time: number): number =>
    time - begin - long.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(time, to) - from), 0)
  return { at, pauses: long.map(({ from, to }) => ({ place: at(from), length: to - from })) }
}

export function durationText(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return `${Number((seconds / 3600).toPrecision(3))} h`
}
