/** `run-pipeline schema`: the JSON Schema of a configuration file. */

import { configJsonSchema } from '../../config/index.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

export const schemaCommand: Command = {
  name: 'schema',
  summary: 'Prints the JSON Schema of a configuration file, for completion in editors.',
  usage: 'schema',
  flags: {},
  takesWords: false,
  examples: [
    ['run-pipeline schema > schema.json', 'then put "# yaml-language-server: $schema=schema.json" atop a YAML file'],
  ],
  run({ output }) {
    output.result(JSON.stringify(configJsonSchema(), null, 2))
    return Promise.resolve(exitCodes.ok)
  },
}
