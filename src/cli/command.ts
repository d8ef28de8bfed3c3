/** What a command is: words for the help, flags, and a function that gives the exit code. */

import type { FlagValues, Flags } from './flags.ts'
import type { Output } from './output.ts'

export interface Command {
  readonly name: string
  readonly summary: string
  /** After the program's name: `predict --model <run> image-or-folder…`. */
  readonly usage: string
  readonly flags: Flags
  /** Whether words that are no flags are taken. */
  readonly takesWords: boolean
  readonly examples: readonly (readonly [command: string, what: string])[]
  run(invocation: Invocation): Promise<number>
}

export interface Invocation {
  readonly flags: FlagValues
  readonly words: readonly string[]
  /** The command line as it was typed, without the command's name. */
  readonly args: readonly string[]
  readonly output: Output
  readonly json: boolean
  readonly quiet: boolean
  readonly debug: boolean
}
