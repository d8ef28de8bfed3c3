/**
 * Ctrl-C and its relatives. The first signal asks the run to stop after the current step, with a snapshot; a second one ends the
 * process at once, whatever native code is doing.
 */

import { constants } from 'node:os'

export interface Interrupts {
  readonly signal: AbortSignal
  /** The signal that came first, or null. */
  readonly received: NodeJS.Signals | null
  /** Puts the default handlers back. */
  dispose(): void
}

export interface InterruptOptions {
  /** Said once, at the first signal. */
  readonly announce: (text: string) => void
  /** Before the process ends: puts the terminal's cursor back. */
  readonly restore: () => void
  /** Ends the process without running destructors; 128 + signal number. */
  readonly exitNow: (code: number) => void
}

const HANDLED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

export function handleInterrupts(options: InterruptOptions): Interrupts {
  const controller = new AbortController()
  let received: NodeJS.Signals | null = null
  const onSignal = (name: NodeJS.Signals): void => {
    if (received !== null) {
      options.restore()
      options.exitNow(exitCodeOfSignal(name))
      return
    }
    received = name
    options.announce('stopping after the current step, with everything so far saved … (again to stop at once)')
    controller.abort(new DOMException(`stopped by ${name}`, 'AbortError'))
  }
  for (const name of HANDLED) process.on(name, onSignal)
  return {
    signal: controller.signal,
    get received() {
      return received
    },
    dispose() {
      for (const name of HANDLED) process.off(name, onSignal)
    },
  }
}

/** 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP. */
export function exitCodeOfSignal(name: NodeJS.Signals): number {
  return 128 + constants.signals[name]
}
