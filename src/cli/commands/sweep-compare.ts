/** `run-pipeline sweep compare`: trials and runs in one table, with its written analysis. */
import { ConfigError } from '../../util/errors.ts'
import { csvLine } from '../../util/csv.ts'
import { writeFileAtomic } from '../../util/files.ts'
import { didYouMean } from '../../util/suggest.ts'
import type { Experiment, Measure } from '../../sweep/index.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import type { FlagValues } from '../flags.ts'
import { table } from '../table.ts'

const formats = ['text', 'markdown', 'csv', 'json'] as const
type Format = (typeof formats)[number]
const WIDTH = 110

export const sweepCompareCommand: Command = {
  name: 'sweep compare',
  summary: 'Trials and runs side by side: what differed, the best epoch and its value, and what the numbers say.',
  usage: 'sweep compare <study | study/3 | study/best | run>… [options]',
  flags: {
    phase: { kind: 'text', describe: 'the training phase that is compared (default: the last that all have)' },
    by: { kind: 'text', describe: 'loss or accuracy, of the validation images (default: loss)' },
    top: { kind: 'whole', minimum: 1, describe: 'only so many, best first (default: all, as they are named)' },
    format: { kind: 'text', describe: `${formats.join(', ')} (default: text)` },
    output: { kind: 'text', alias: 'o', describe: 'a file instead of the terminal' },
    storage: { kind: 'text', describe: 'a journal file or a postgresql:// URL that has the studies' },
    directory: { kind: 'text', describe: 'holds sweep_logs/, logs/ and snapshots/ (default: the working directory)' },
  },
  takesWords: true,
  examples: [
    ['run-pipeline sweep compare quick-digits --top 10', 'the ten best trials of a study'],
    ['run-pipeline sweep compare arcface/best supcon/best digits --format markdown', 'studies and a run of its own'],
  ],
  async run({ flags, words, output, json }) {
    if (words.length === 0)
      throw new ConfigError('sweep compare: expected names of studies, trials (study/3) or runs, got none.')
    const format = json ? 'json' : oneOf(flags, 'format', formats)
    const by = oneOf(flags, 'by', ['loss', 'accuracy'])
    const { gatherExperiments } = await import('../sweep/experiments.ts')
    const { measureFor, ranked } = await import('../../sweep/index.ts')
    const all = await gatherExperiments(words, {
      root: flags.text('directory') ?? '.',
      storage: flags.text('storage'),
      phase: flags.text('phase'),
    })
    const measure = measureFor(all, by)
    const top = flags.number('top')
    const experiments =
      top === undefined
        ? all
        : ranked(all, measure)
            .slice(0, top)
            .map(({ experiment }) => experiment)
    const text = await rendered(experiments, measure, format)
    const path = flags.text('output')
    if (path === undefined) output.result(text.trimEnd())
    else {
      await writeFileAtomic(path, text)
      output.result(path)
    }
    return exitCodes.ok
  },
}

async function rendered(experiments: readonly Experiment[], measure: Measure, format: Format): Promise<string> {
  const { comparisonTable, markdownTable, writtenAnalysis } = await import('../../sweep/index.ts')
  const { heads, keys, rows } = comparisonTable(experiments, measure)
  if (format === 'csv')
    return [keys, ...rows].map((row) => csvLine(row.map((cell) => (cell === '–' ? null : cell)))).join('')
  const analysis = writtenAnalysis(experiments, measure)
  if (format === 'json') return `${JSON.stringify({ measure: measure.name, experiments, analysis }, null, 2)}\n`
  if (format === 'markdown') {
    const sections = analysis.map(({ title, sentences }) => `## ${title}\n\n${sentences.join('\n')}\n`)
    return `# Experiments\n\n${markdownTable(heads, rows)}\n\n${sections.join('\n')}`
  }
  const sections = analysis.map(({ title, sentences }) => `${title}\n${sentences.map(wrapped).join('\n')}\n`)
  return `${table(heads, rows)}\n\n${sections.join('\n')}`
}

/** Lines of at most WIDTH characters, two blanks in front. */
function wrapped(sentence: string): string {
  const lines = ['']
  for (const word of sentence.split(' ')) {
    const line = lines.at(-1)!
    if (line !== '' && line.length + word.length + 1 > WIDTH - 2) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.map((line) => `  ${line}`).join('\n')
}

/** The flag's value; the first of `known` without one. */
function oneOf<T extends string>(flags: FlagValues, flag: string, known: readonly T[]): T {
  const text = flags.text(flag)
  const found = text === undefined ? known[0] : known.find((one) => one === text)
  if (found !== undefined) return found
  throw new ConfigError(`--${flag}: expected one of ${known.join(', ')}, got "${text}".${didYouMean(text!, known)}`)
}
