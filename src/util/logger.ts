/**
 * Logging: every line as JSON into the run's log files, and as readable text to the console.
 *
 * Pino with synchronous destinations: its asynchronous one loses every buffered line when the process ends abruptly.
 */

import { dirname } from 'node:path'
import pino from 'pino'
import { ensureDirSync } from './files.ts'
import { checkOptionNames, type OptionNames } from './option-names.ts'
import { censored, secretNames } from './secrets.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface Logger {
  debug(message: string, data?: object): void
  info(message: string, data?: object): void
  warn(message: string, data?: object): void
  error(message: string, data?: object): void
  /** A logger that adds `bindings` (e.g. `{ phase: 'supcon' }`) to every line. */
  child(bindings: object): Logger
}

/** A logger that can be given its files late: the run's folder is known only after the configuration was read. */
export interface RootLogger extends Logger {
  /** From now on every line goes to this file too (appended); lines logged so far are written to it first. */
  addFile(path: string): void
}

export interface LoggerOptions {
  /** Log files; folders are made. */
  readonly files?: readonly string[]
  /** Lowest level that goes into files. Default: debug. */
  readonly level?: LogLevel
  /** Lowest level on the console. Default: info. */
  readonly consoleLevel?: LogLevel | 'silent'
  /** Where console text goes. Default: stderr. A progress bar passes its own writer. */
  readonly write?: (text: string) => void
  /** Colour console lines. Default: false. */
  readonly color?: boolean
}

const LEVELS: Readonly<Record<LogLevel | 'silent', number>> = { debug: 20, info: 30, warn: 40, error: 50, silent: 100 }

const optionNames: OptionNames<LoggerOptions> = {
  ...{ files: true, level: true, consoleLevel: true, write: true, color: true },
}

/** Early lines kept for files that are attached later. */
const KEPT_LINES = 1000

export function createLogger(options: LoggerOptions = {}): RootLogger {
  checkOptionNames('createLogger', options, optionNames)
  const early: string[] = []
  const files: { write(line: string): void }[] = []
  const write = options.write ?? ((text: string): void => void process.stderr.write(text))
  const consoleLevel = LEVELS[options.consoleLevel ?? 'info']
  const fileLevel = LEVELS[options.level ?? 'debug']

  const sink = {
    write(line: string): void {
      const record = JSON.parse(line) as Record<string, unknown>
      const level = Number(record['level'])
      if (level >= consoleLevel) write(readableLine(record, options.color ?? false))
      if (level < fileLevel) return
      if (files.length === 0 && early.length < KEPT_LINES) early.push(line)
      for (const file of files) file.write(line)
    },
  }
  const root = pino(
    {
      level: 'debug',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: censored },
    },
    sink,
  )
  const addFile = (path: string): void => {
    ensureDirSync(dirname(path))
    const file = pino.destination({ dest: path, sync: true, append: true })
    let isTold = false
    // Without a listener a full disk would end the program in the middle of a line.
    file.on('error', (error: Error) => {
      if (!isTold) write(`warning: ${path} takes no more lines: ${error.message}\n`)
      isTold = true
    })
    for (const line of early) file.write(line)
    files.push(file)
  }
  for (const path of options.files ?? []) addFile(path)
  return { ...wrap(root), addFile }
}

/** Drops everything; for tests and for callers who want no output. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}

function wrap(logger: pino.Logger): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, data?: object): void =>
      data === undefined ? logger[level](message) : logger[level](data, message)
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (bindings) => wrap(logger.child(bindings)),
  }
}

const HIDDEN = new Set(['level', 'time', 'msg', 'phase', 'stage', 'err', 'stack'])

/** `12:04:31 supcon epoch 3: loss 2.18`; warnings and errors are marked and show their data, which files hold for every line. */
function readableLine(record: Record<string, unknown>, color: boolean): string {
  const level = Number(record['level'])
  const clock = String(record['time']).slice(11, 19)
  const mark = level >= LEVELS.error ? 'error: ' : level >= LEVELS.warn ? 'warning: ' : ''
  const message = readableValue(record['msg'] ?? '')
  const { phase } = record
  const prefix = typeof phase === 'string' && !message.startsWith(phase) ? `${phase}: ` : ''
  const values = Object.entries(record)
    .filter(([key]) => mark !== '' && !HIDDEN.has(key))
    .map(([key, value]) => `${key}=${readableValue(value)}`)
  const text = printable([`${mark}${prefix}${message}`, ...values].join('  '))
  if (!color) return `${clock} ${text}\n`
  const tint = level >= LEVELS.error ? '\u001b[31m' : level >= LEVELS.warn ? '\u001b[33m' : ''
  return `\u001b[2m${clock}\u001b[22m ${tint}${text}${tint === '' ? '' : '\u001b[39m'}\n`
}

function readableValue(value: unknown): string {
  if (typeof value === 'number') return String(Number.isInteger(value) ? value : Number(value.toPrecision(5)))
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** File and class names come from data: control characters in them must not move the terminal's cursor. */
function printable(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD')
}
