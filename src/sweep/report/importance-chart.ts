/** Parameter importance as bars. */
import type { TopLevelSpec } from 'vega-lite'
import { shortLabel } from '../../report/index.ts'
import type { Importance } from '../importance/importance.ts'

/** Null when there is nothing to show. */
export function importanceChart(importance: readonly Importance[]): TopLevelSpec | null {
  if (importance.length === 0) return null
  const all = Math.max(...importance.map(({ trials }) => trials))
  const rows = importance.map(({ parameter, share, trials }) => {
    const percent = share < 0.005 ? '< 1 %' : `${Math.round(share * 100)} %`
    return {
      name: shortLabel(parameter, 36),
      share,
      text: trials < all ? `${percent} of the ${trials} trials that had it` : percent,
      part: trials < all,
    }
  })
  const y = { field: 'name', type: 'nominal', title: null, sort: null, axis: { labelLimit: 260, labelOverlap: false } }
  const x = { field: 'share', type: 'quantitative', title: 'share of the variance', scale: { domain: [0, 1] } }
  return {
    width: 480,
    height: { step: 24 },
    data: { values: rows },
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          y,
          x: { ...x, axis: { format: '~p', tickCount: 5 } },
          color: { condition: { test: 'datum.part', value: 'var(--running)' }, value: 'var(--complete)' },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 5, fontSize: 11 },
        encoding: { y, x, text: { field: 'text' } },
      },
    ],
  } as TopLevelSpec
}
