/** The two streams of the program: results on stdout, everything about getting there on stderr. */

import pc from 'picocolors'
import { systemCode, writeError } from '../util/files.ts'

export interface Output {
  /** Results: tables, JSON. */
  result(text: string): void
  /** Messages for people. */
  note(text: string): void
  /** False once the reader of stdout has gone (`run-pipeline … | head`). */
  readonly open: boolean
  /** What stopped results from being written (a full disk); null while all is well, and when the reader has just gone. */
  readonly failure: Error | null
  /** Colours for stderr; plain when it is no terminal, or with NO_COLOR. */
  readonly colors: ReturnType<typeof pc.createColors>
}

export function createOutput(
  stdout: NodeJS.WriteStream = process.stdout,
  stderr: NodeJS.WriteStream = process.stderr,
): Output {
  let open = true
  let failure: Error | null = null
  // A closed pipe is the reader's decision, not a failure: training goes on, printing stops.
  stdout.on('error', (error) => {
    open = false
    if (systemCode(error) !== 'EPIPE') failure = writeError(error, 'the results to stdout')
  })
  stderr.on('error', () => undefined)
  return {
    result: (text) => void (open && stdout.write(`${text}\n`)),
    note: (text) => void stderr.write(`${text}\n`),
    get open() {
      return open && !stdout.destroyed
    },
    get failure() {
      return failure
    },
    colors: pc.createColors(wantsColor(stderr)),
  }
}

/** NO_COLOR and FORCE_COLOR first, then whether the stream is a terminal with a width. */
export function wantsColor(stream: NodeJS.WriteStream): boolean {
  if (process.env['NO_COLOR'] !== undefined && process.env['NO_COLOR'] !== '') return false
  if (process.env['FORCE_COLOR'] !== undefined && process.env['FORCE_COLOR'] !== '0') return true
  return isTerminal(stream) && process.env['TERM'] !== 'dumb'
}

/** A terminal whose width is 0 or unknown counts as none: drawing into it loops or floods. */
export function isTerminal(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && stream.columns > 0
}
