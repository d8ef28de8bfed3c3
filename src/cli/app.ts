/** Splits the command line, picks the command, turns errors into messages and exit codes. Loads nothing a command does not need. */

import yargs, { type Options } from 'yargs'
import { ConfigError } from '../util/errors.ts'
import { packageVersion } from '../util/package-root.ts'
import { didYouMean } from '../util/suggest.ts'
import type { Command } from './command.ts'
import { dataCommand } from './commands/data.ts'
import { augmentPreviewCommand } from './commands/augment-preview.ts'
import { doctorCommand } from './commands/doctor.ts'
import { importWeightsCommand } from './commands/import-weights.ts'
import { batchFindCommand } from './commands/batch-find.ts'
import { lrFindCommand } from './commands/lr-find.ts'
import { modelsCommand } from './commands/models.ts'
import { predictCommand } from './commands/predict.ts'
import { runCommand } from './commands/run.ts'
import { schemaCommand } from './commands/schema.ts'
import { sweepCompareCommand } from './commands/sweep-compare.ts'
import { sweepReportCommand } from './commands/sweep-report.ts'
import { sweepCommand } from './commands/sweep.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { commonFlags, dashed, type Flag, type Flags, FlagValues } from './flags.ts'
import { createOutput, type Output } from './output.ts'
import { errorToJson, reportError } from './report-error.ts'

/** One whose name begins with another's comes after it: `sweep report` is no `sweep`. */
export const commands: readonly Command[] = [
  runCommand,
  sweepCommand,
  sweepReportCommand,
  sweepCompareCommand,
  predictCommand,
  dataCommand,
  augmentPreviewCommand,
  lrFindCommand,
  batchFindCommand,
  doctorCommand,
  modelsCommand,
  importWeightsCommand,
  schemaCommand,
]

/** Runs one command line; never throws. @returns the exit code */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  if (args.includes('--no-color')) process.env['NO_COLOR'] = '1'
  const output = createOutput()
  const debug = args.includes('--debug')
  try {
    const code = await dispatch(args, output, debug)
    // A failed write is told after the call: wait for what is under way.
    await new Promise((resolve) => setImmediate(resolve))
    if (output.failure !== null && code === exitCodes.ok) throw output.failure
    return code
  } catch (error) {
    const code = exitCodeOf(error)
    if (args.includes('--json')) output.result(JSON.stringify(errorToJson(error, code, { debug }), null, 2))
    reportError(error, output, { debug })
    return code
  }
}

async function dispatch(args: readonly string[], output: Output, debug: boolean): Promise<number> {
  const named = commands.findLast(({ name }) => args.slice(0, name.split(' ').length).join(' ') === name)
  const command = named ?? runCommand
  const flags: Flags = { ...command.flags, ...commonFlags }
  const parser = parserOf(command, flags)
  const own = named === undefined ? [...args] : args.slice(named.name.split(' ').length)
  const parsed = (await parser.parseAsync(own)) as Record<string, unknown>
  const words = [...((parsed['_'] ?? []) as unknown[]), ...((parsed['--'] ?? []) as unknown[])].map(String)
  if (parsed['help'] === true) {
    output.result(await helpOf(command, flags))
    return exitCodes.ok
  }
  if (parsed['version'] === true) {
    output.result(packageVersion())
    return exitCodes.ok
  }
  if (named === undefined && words.length > 0) throw unknownCommand(words[0] as string)
  const values = new FlagValues(parsed, flags)
  if (!command.takesWords && words.length > 0) {
    throw new ConfigError(
      `${command.name} takes no words of its own, got "${words.join(' ')}". run-pipeline ${command.name} --help lists the options.`,
    )
  }
  return command.run({
    flags: values,
    words,
    args: own,
    output,
    json: values.switch('json'),
    quiet: values.switch('quiet'),
    debug,
  })
}

function parserOf(command: Command, flags: Flags): ReturnType<typeof yargs> {
  return yargs()
    .scriptName('run-pipeline')
    .parserConfiguration({
      'dot-notation': false,
      'camel-case-expansion': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'populate--': true,
      'duplicate-arguments-array': true,
      // Only --phases takes several words; every other option takes one, so that it cannot swallow what follows.
      'greedy-arrays': true,
    })
    .help(false)
    .version(false)
    .exitProcess(false)
    .fail((message, error) => {
      if (error !== undefined && error.name !== 'YError') throw error
      throw new ConfigError(`${message ?? error?.message ?? 'the options cannot be read'}. --help lists the options.`)
    })
    .options(Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, yargsOption(name, flag)])))
    .usage(`Usage: run-pipeline ${command.usage}\n\n${command.summary}`)
    .wrap(Math.min(110, process.stdout.columns || 100))
}

function yargsOption(name: string, flag: Flag): Options {
  const alias = [...(flag.alias === undefined ? [] : [flag.alias]), ...(dashed(name) === name ? [] : [dashed(name)])]
  const base: Options = { describe: flag.describe, alias, ...(flag.group === undefined ? {} : { group: flag.group }) }
  if (flag.kind === 'switch') return { ...base, type: 'boolean' }
  if (flag.kind === 'list') return { ...base, type: 'array', string: true }
  return { ...base, type: 'string', requiresArg: true, nargs: 1 }
}

async function helpOf(command: Command, flags: Flags): Promise<string> {
  const parser = parserOf(command, flags)
  if (command === runCommand) {
    for (const other of commands.slice(1)) parser.command(other.usage, other.summary)
  }
  for (const [line, what] of command.examples) parser.example(line, what)
  return parser
    .epilogue('Exit codes and every option: docs/cli.md. Configuration keys: docs/configuration.md.')
    .getHelp()
}

function unknownCommand(word: string): ConfigError {
  const names = commands.slice(1).map((command) => command.name)
  if (names.includes(word)) return new ConfigError(`the command comes first: run-pipeline ${word} …`)
  return new ConfigError(
    `unknown command "${word}".${didYouMean(word, names)} Commands: ${names.join(', ')}; without one the pipeline runs. --help lists the options.`,
  )
}
