/** The table of experiments: a line each, what differs between them, their best epoch and its value. */
import { bestEpoch, settingText, varyingKeys, type Experiment, type Measure } from './experiment.ts'

export interface ComparisonTable {
  /** for people: `Learning rate` */
  readonly heads: readonly string[]
  /** for programs: `arcface.lr` */
  readonly keys: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function comparisonTable(experiments: readonly Experiment[], measure: Measure): ComparisonTable {
  const varying = varyingKeys(experiments)
  const showState = experiments.some(({ state }) => state !== 'complete')
  const showTime = experiments.every(({ seconds }) => seconds !== null)
  const optional = (isShown: boolean, text: string): string[] => (isShown ? [text] : [])
  return {
    heads: [
      'Experiment',
      ...keyTitles(varying),
      'Best epoch',
      `Best ${measure.name}`,
      ...optional(showTime, 'Seconds'),
      ...optional(showState, 'State'),
    ],
    keys: [
      'experiment',
      ...varying,
      'best_epoch',
      `best_${measure.name.replace(' ', '_')}`,
      ...optional(showTime, 'seconds'),
      ...optional(showState, 'state'),
    ],
    rows: experiments.map((experiment) => {
      const best = bestEpoch(experiment, measure)
      return [
        experiment.name,
        ...varying.map((key) => settingText(experiment.settings[key])),
        best === null ? '–' : String(best.epoch),
        best === null ? '–' : valueText(best.value),
        ...optional(showTime, String(experiment.seconds)),
        ...optional(showState, experiment.state),
      ]
    }),
  }
}

/** Four decimals, as losses and accuracies are told; small ones keep three digits. */
export function valueText(value: number): string {
  return Math.abs(value) >= 0.001 || value === 0 ? value.toFixed(4) : value.toExponential(2)
}

const words: Readonly<Record<string, string>> = { lr: 'learning rate' }

/** `arcface.batch_size` → `Batch size`; the section stays where keys of several sections would read the same. */
export function keyTitles(keys: readonly string[]): string[] {
  const short = keys.map((key) => titleOf(key.slice(key.lastIndexOf('.') + 1)))
  return keys.map((key, i) => {
    if (short.indexOf(short[i]!) === short.lastIndexOf(short[i]!)) return short[i]!
    return titleOf(key.replaceAll('.', ' '))
  })
}

function titleOf(key: string): string {
  const text = key
    .split('_')
    .map((part) => part.replace(/\S+$/, (word) => words[word] ?? word))
    .join(' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** A table of GitHub's Markdown. */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const escaped = [heads, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')))
  const widths = heads.map((_, column) => Math.max(3, ...escaped.map((row) => row[column]!.length)))
  const line = (row: readonly string[]): string => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`
  const [head, ...body] = escaped
  return [line(head!), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n')
}
