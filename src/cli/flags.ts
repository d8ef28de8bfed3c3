/**
 * Flags as data: yargs only splits the words (it turns `--seed abc` into NaN without a word), every value is read and checked here.
 */

import { ConfigError } from '../util/errors.ts'
import { didYouMean } from '../util/suggest.ts'

export type FlagKind = 'text' | 'whole' | 'number' | 'switch' | 'list' | 'repeated'

export interface Flag {
  readonly kind: FlagKind
  readonly describe: string
  readonly alias?: string
  /** The word for the value in the help. */
  readonly value?: string
  readonly minimum?: number
  /** With `minimum`: whether the minimum itself is refused. */
  readonly exclusive?: boolean
  readonly group?: string
}

export type Flags = Readonly<Record<string, Flag>>

/** Every command has these. */
export const commonFlags: Flags = {
  json: { kind: 'switch', describe: 'print one JSON object on stdout; everything else goes to stderr' },
  debug: { kind: 'switch', describe: 'show stacks with errors' },
  quiet: { kind: 'switch', alias: 'q', describe: 'only warnings and errors on the console' },
  color: { kind: 'switch', describe: 'colours (--no-color turns them off, as NO_COLOR does)' },
  help: { kind: 'switch', alias: 'h', describe: 'show this help' },
  version: { kind: 'switch', alias: 'v', describe: 'show the version' },
}

/** Checked values of one command line. */
export class FlagValues {
  readonly #values: Readonly<Record<string, unknown>>
  readonly #flags: Flags

  /** @throws {ConfigError} for an unknown flag, with a suggestion */
  constructor(values: Readonly<Record<string, unknown>>, flags: Flags) {
    this.#values = values
    this.#flags = flags
    const known = Object.entries(flags).flatMap(([name, flag]) => [
      name,
      dashed(name),
      ...(flag.alias === undefined ? [] : [flag.alias]),
    ])
    for (const name of Object.keys(values)) {
      if (name === '_' || name === '$0' || name === '--' || known.includes(name)) continue
      const near = didYouMean(name, Object.keys(flags))
      throw new ConfigError(
        `unknown option ${name.length === 1 ? '-' : '--'}${name}.${near.replace('"', '"--')} --help lists the options.`,
      )
    }
    for (const name of Object.keys(flags)) this.#check(name)
  }

  switch(name: string): boolean {
    return this.#values[name] === true
  }

  text(name: string): string | undefined {
    return this.#values[name] as string | undefined
  }

  number(name: string): number | undefined {
    const text = this.text(name)
    return text === undefined ? undefined : Number(text)
  }

  /** Words after the flag; commas separate too. */
  list(name: string): string[] | undefined {
    const value = this.#values[name]
    if (value === undefined) return undefined
    return (value as unknown[]).flatMap((word) => String(word).split(',')).filter((word) => word !== '')
  }

  repeated(name: string): string[] {
    const value = this.#values[name]
    return value === undefined ? [] : [value].flat().map(String)
  }

  #check(name: string): void {
    const flag = this.#flags[name] as Flag
    const value = this.#values[name]
    if (value === undefined) return
    const fail = (expected: string): never => {
      throw new ConfigError(`--${name}: expected ${expected}, got ${JSON.stringify(value)}.`)
    }
    if (flag.kind === 'switch') {
      if (typeof value !== 'boolean') fail('the flag once')
      return
    }
    if (flag.kind === 'list') {
      if ((this.list(name) ?? []).length === 0)
        throw new ConfigError(`--${name}: expected one or more words after it, got none.`)
      return
    }
    if (flag.kind === 'repeated') {
      if (this.repeated(name).includes('')) throw new ConfigError(`--${name}: expected a value after it, got none.`)
      return
    }
    if (typeof value !== 'string')
      throw new ConfigError(`--${name}: expected one value, got ${JSON.stringify(value)}. Give the option once.`)
    if (value === '') throw new ConfigError(`--${name}: expected a value after it, got none.`)
    if (flag.kind === 'text') return
    const number = Number(value)
    const bound = flag.minimum === undefined ? '' : ` ${flag.exclusive === true ? '>' : '≥'} ${flag.minimum}`
    const wanted = `a ${flag.kind === 'whole' ? 'whole ' : ''}number${bound}`
    if (value.trim() === '' || !Number.isFinite(number)) fail(wanted)
    if (flag.kind === 'whole' && !Number.isSafeInteger(number)) fail(wanted)
    if (flag.minimum !== undefined && (number < flag.minimum || (flag.exclusive === true && number === flag.minimum)))
      fail(wanted)
  }
}

/** `num_epochs` → `num-epochs`: both spellings work on the command line. */
export function dashed(name: string): string {
  return name.replaceAll('_', '-')
}
