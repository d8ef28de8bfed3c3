/** `run-pipeline models`: the networks that can be trained. */

import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { table } from '../table.ts'

export const modelsCommand: Command = {
  name: 'models',
  summary: 'Lists the backbones that can be named in a configuration.',
  usage: 'models [part-of-a-name]',
  flags: {},
  takesWords: true,
  examples: [['run-pipeline models resnet', 'those whose name contains "resnet"']],
  async run({ words, output, json }) {
    const { listBackbones } = await import('../../binding/index.ts')
    const wanted = words.map((word) => word.toLowerCase())
    const found = listBackbones().filter(({ name }) => wanted.every((word) => name.toLowerCase().includes(word)))
    if (json) output.result(JSON.stringify({ ok: true, models: found }, null, 2))
    else if (found.length === 0)
      output.note(`no backbone contains "${words.join(' ')}"; run-pipeline models lists all.`)
    else
      output.result(
        table(
          ['name', 'family', 'paper'],
          found.map(({ name, family, paper }) => [name, family, paper]),
        ),
      )
    return exitCodes.ok
  },
}
