/** An error as the user sees it: cause, what is kept, what to do next. Stacks only with --debug. */

import { TriviumError } from '../util/errors.ts'
import { systemAdvice } from '../util/files.ts'
import type { Output } from './output.ts'

export interface ErrorContext {
  readonly debug: boolean
  /** Path of the last good snapshot of the run. */
  readonly kept?: string | null
  /** The command to go on with. */
  readonly next?: string | null
}

export function reportError(error: unknown, output: Output, context: ErrorContext): void {
  const { red, bold } = output.colors
  for (const line of cause(error).split('\n')) output.note(`${bold(red('error:'))} ${line}`)
  if (context.kept) output.note(`kept:  ${context.kept}`)
  if (context.next) output.note(`next:  ${context.next}`)
  if (context.debug && error instanceof Error) output.note(stackOf(error))
  else if (!(error instanceof TriviumError)) {
    const advice = systemAdvice(error)
    output.note(
      advice === null
        ? 'This looks like a defect of the program. --debug shows where it happened.'
        : `The system refused it: ${advice}.`,
    )
  }
}

/** For --json: the same facts as data. */
export function errorToJson(error: unknown, exitCode: number, context: ErrorContext): object {
  return {
    ok: false,
    exit_code: exitCode,
    error: {
      name: error instanceof Error ? error.name : 'Error',
      code: error instanceof TriviumError ? error.code : null,
      message: cause(error),
    },
    last_snapshot: context.kept ?? null,
    next: context.next ?? null,
  }
}

function cause(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function stackOf(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own
}
