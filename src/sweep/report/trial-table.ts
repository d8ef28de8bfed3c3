/** Tables of the report: all trials, and the best configuration. */
import { escapeHtml } from '../../util/html.ts'
import { describeDistribution, type Json } from '../space/distribution.ts'
import type { Trial } from '../trial.ts'
import { short, valueText, type ReportStudy } from './chart-data.ts'

/** @param best numbers of the trials that are marked */
export function trialTable(
  { objectives, space }: ReportStudy,
  trials: readonly Trial[],
  best: ReadonlySet<number>,
): string {
  const names = space.parameters.map(({ name }) => name)
  const wrong = trials.some(({ failure }) => failure !== null) ? ['what went wrong'] : []
  const heads = ['trial', 'state', ...wrong, ...objectives, ...names, 'last step', 'seconds', 'starts']
  const rows = trials.map((trial) => {
    const last = trial.reports.at(-1)
    const cells = [
      numberCell(trial.number),
      `<td class="${trial.state}">${escapeHtml(trial.state === 'failed' ? `failed: ${trial.failure?.kind}` : trial.state)}</td>`,
      ...wrong.map(() => `<td class="text">${escapeHtml(trial.failure?.message.slice(0, 300) ?? '')}</td>`),
      ...objectives.map((_, i) => numberCell(trial.values?.[i])),
      ...names.map((name) => valueCell(trial.params[name])),
      numberCell(last?.step),
      numberCell(secondsOf(trial)),
      numberCell(trial.attempt),
    ]
    return `<tr${best.has(trial.number) ? ' class="best"' : ''}>${cells.join('')}</tr>`
  })
  const head = heads.map((text) => `<th><button type="button">${escapeHtml(text)}</button></th>`).join('')
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table></div>`
}

/** Parameters of some trials beside what they were drawn from. */
export function bestTable({ objectives, space }: ReportStudy, best: readonly Trial[]): string {
  const heads = ['', ...best.map(({ number }) => `trial ${number}`), 'drawn from']
  const values = objectives.map((name, i) => {
    return `<tr class="best"><td>${escapeHtml(name)}</td>${best.map((trial) => numberCell(trial.values?.[i])).join('')}<td></td></tr>`
  })
  const params = space.parameters.map(({ name, distribution }) => {
    const cells = best.map(({ params: own }) => valueCell(own[name])).join('')
    return `<tr><td>${escapeHtml(name)}</td>${cells}<td>${escapeHtml(describeDistribution(distribution))}</td></tr>`
  })
  const head = heads.map((text) => `<th>${escapeHtml(text)}</th>`).join('')
  return `<div class="scroll"><table class="left"><thead><tr>${head}</tr></thead><tbody>\n${[...values, ...params].join('\n')}\n</tbody></table></div>`
}

export function secondsOf({ startedAt, finishedAt }: Trial): number | undefined {
  if (startedAt === null || finishedAt === null) return undefined
  return Math.round((Date.parse(finishedAt) - Date.parse(startedAt)) / 100) / 10
}

function numberCell(value: number | undefined): string {
  return value === undefined ? '<td data-sort=""></td>' : `<td class="number" data-sort="${value}">${short(value)}</td>`
}

function valueCell(value: Json | undefined): string {
  if (typeof value === 'number' || value === undefined) return numberCell(value)
  return `<td>${escapeHtml(valueText(value))}</td>`
}
