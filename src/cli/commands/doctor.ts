/** `run-pipeline doctor`: what was found on this machine, and what to do about what was not. */

import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'Shows LibTorch, devices, compilers and libraries of this machine, and what to do about what is missing.',
  usage: 'doctor',
  flags: {},
  takesWords: false,
  examples: [['run-pipeline doctor --json', 'the same as data, for a bug report']],
  async run({ output, json }) {
    const { examine } = await import('../doctor.ts')
    const checks = await examine()
    const missing = checks.filter(({ status }) => status === 'missing')
    if (json) {
      output.result(JSON.stringify({ ok: missing.length === 0, checks }, null, 2))
      return missing.length === 0 ? exitCodes.ok : exitCodes.failure
    }
    const marks = { ok: '✓', warning: '!', missing: '✗' } as const
    const width = Math.max(...checks.map(({ name }) => name.length))
    for (const { name, status, detail, remedy } of checks) {
      output.result(`${marks[status]} ${name.padEnd(width)}  ${detail}`)
      if (remedy !== null) output.result(`  ${' '.repeat(width)}  → ${remedy}`)
    }
    output.result(
      missing.length === 0
        ? '\nEverything that is needed is here.'
        : `\nMissing: ${missing.map(({ name }) => name).join(', ')}.`,
    )
    return missing.length === 0 ? exitCodes.ok : exitCodes.failure
  },
}
