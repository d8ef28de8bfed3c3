/** Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere. */

import { SingleBar } from 'cli-progress'
import type { ProgressReporter } from '../phases/context.ts'
import { isTerminal } from './output.ts'

export interface Progress extends ProgressReporter {
  /** Writes text (ending in a newline) without tearing the bar. */
  write(text: string): void
  /** Takes the bar away until the next update: something else is shown meanwhile. */
  pause(): void
  /** Puts the cursor back; safe to call at any time. */
  restore(): void
}

export interface ProgressOptions {
  readonly stream?: NodeJS.WriteStream
  /** Seconds between plain lines. */
  readonly everySeconds?: number
  readonly quiet?: boolean
}

const CLEAR_LINE = '\r\u001b[K'
const SHOW_CURSOR = '\u001b[?25h'

export function createProgress(options: ProgressOptions = {}): Progress {
  const stream = options.stream ?? process.stderr
  if (options.quiet === true) return quietProgress(stream)
  return isTerminal(stream) ? barProgress(stream) : lineProgress(stream, (options.everySeconds ?? 5) * 1000)
}

function quietProgress(stream: NodeJS.WriteStream): Progress {
  return {
    start: () => undefined,
    update: () => undefined,
    stop: () => undefined,
    write: (text) => void stream.write(text),
    pause: () => undefined,
    restore: () => undefined,
  }
}

function barProgress(stream: NodeJS.WriteStream): Progress {
  let bar: SingleBar | null = null
  let shown: { label: string; total: number } | null = null
  const pause = (): void => {
    bar?.stop()
    bar = null
  }
  const stop = (): void => {
    pause()
    shown = null
  }
  const draw = ({ label, total }: { label: string; total: number }): void => {
    bar = new SingleBar({
      stream,
      format: '{label} {bar} {percentage}%  {value}/{total}  {eta_formatted} left  {values}',
      barsize: 24,
      barCompleteChar: '━',
      barIncompleteChar: '─',
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      gracefulExit: false,
      etaBuffer: 50,
      fps: 8,
    })
    bar.start(Math.max(1, total), 0, { label, values: '' })
  }
  return {
    start(label, total) {
      stop()
      shown = { label, total }
      draw(shown)
    },
    update(done, values) {
      if (bar === null && shown !== null) draw(shown)
      bar?.update(done, values === undefined ? {} : { values: valuesText(values) })
    },
    stop,
    pause,
    write(text) {
      if (bar === null) stream.write(text)
      else {
        stream.write(CLEAR_LINE + text)
        bar.render()
      }
    },
    restore() {
      stop()
      stream.write(SHOW_CURSOR)
    },
  }
}

function lineProgress(stream: NodeJS.WriteStream, every: number): Progress {
  let label = ''
  let total = 0
  let next = 0
  return {
    start(newLabel, newTotal) {
      label = newLabel
      total = newTotal
      next = performance.now() + every
    },
    update(done, values) {
      if (label === '' || performance.now() < next) return
      next = performance.now() + every
      const percent = total > 0 ? ` (${Math.floor((100 * done) / total)}%)` : ''
      stream.write(`  ${label}: ${done}/${total}${percent}${values === undefined ? '' : `  ${valuesText(values)}`}\n`)
    },
    stop() {
      label = ''
    },
    write: (text) => void stream.write(text),
    pause: () => undefined,
    restore: () => undefined,
  }
}

function valuesText(values: Readonly<Record<string, number | string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`)
    .join('  ')
}
