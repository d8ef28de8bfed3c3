/** `run-pipeline sweep report`: writes the page about a study again, also while it runs. */
import { ConfigError } from '../../util/errors.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

export const sweepReportCommand: Command = {
  name: 'sweep report',
  summary: 'Writes the HTML report of a sweep: sweep_logs/<study>/report.html.',
  usage: 'sweep report <study> [options]',
  flags: {
    storage: {
      kind: 'text',
      describe: 'a journal file or a postgresql:// URL (default: sweep_logs/<study>/journal.jsonl)',
    },
    directory: { kind: 'text', describe: 'holds sweep_logs/ (default: the working directory)' },
    output: { kind: 'text', alias: 'o', describe: 'another file (default: sweep_logs/<study>/report.html)' },
  },
  takesWords: true,
  examples: [['run-pipeline sweep report quick-digits', 'as far as it has come']],
  async run({ flags, words, output, json }) {
    const [name, ...more] = words
    if (name === undefined || more.length > 0)
      throw new ConfigError(`sweep report: expected the name of one study, got ${words.length}.`)
    const root = flags.text('directory') ?? '.'
    const { loadStudy } = await import('../sweep/load-study.ts')
    const { writeReport } = await import('../sweep/write-report.ts')
    const { sweepFolders } = await import('../sweep/folders.ts')
    const study = await loadStudy(root, name, flags.text('storage'))
    try {
      const path = await writeReport(study, await study.trials(), sweepFolders(root, name), flags.text('output'))
      output.result(json ? JSON.stringify({ study: name, report: path }, null, 2) : path)
      return exitCodes.ok
    } finally {
      await study.close()
    }
  },
}
