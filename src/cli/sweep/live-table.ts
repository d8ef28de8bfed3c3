/** What a sweep shows while it runs: a line a finished trial, and on a terminal the trials that run, redrawn below. */
import type { Study, Trial } from '../../sweep/index.ts'
import { isTerminal } from '../output.ts'
import { table } from '../table.ts'
import { secondsOf } from './trials-csv.ts'

export interface LiveTable {
  finished(trial: Trial, trials: readonly Trial[]): void
  update(trials: readonly Trial[]): void
  stop(): void
}

export function createLiveTable(study: Study, total: number, stream: NodeJS.WriteStream, quiet: boolean): LiveTable {
  const live = isTerminal(stream) && !quiet
  let drawn = 0
  let shown = ''
  const erase = (): void => {
    if (drawn > 0) stream.write(`\u001b[${drawn}F\u001b[J`)
    drawn = 0
    shown = ''
  }
  const update = (trials: readonly Trial[]): void => {
    if (!live) return
    const running = trials.filter(({ state }) => state === 'running')
    const rows = running.map((trial) => [`  ${trial.number}`, 'running', lastOf(trial), paramsText(trial)])
    const lines = [summaryLine(study, trials, total), ...(rows.length === 0 ? [] : table([], rows).split('\n'))]
    // A line that wraps would be redrawn wrongly.
    const text = lines.map((line) => `${line.slice(0, stream.columns - 1)}\n`).join('')
    if (text === shown) return
    erase()
    stream.write(text)
    shown = text
    drawn = lines.length
  }
  return {
    finished(trial, trials) {
      if (quiet) return
      erase()
      stream.write(`${trialLine(study, trial, trials)}\n`)
      update(trials)
    },
    update,
    stop: erase,
  }
}

function trialLine(study: Study, trial: Trial, trials: readonly Trial[]): string {
  const best = study.directions.length === 1 && study.best(trials)?.number === trial.number ? '  best so far' : ''
  const value =
    trial.state === 'complete'
      ? study.objectives.map((name, i) => `${name} ${short(trial.values![i]!)}`).join('  ')
      : trial.state === 'failed'
        ? `failed (${trial.failure?.kind}): ${trial.failure?.message.split('\n')[0]}`
        : `${trial.state} ${lastOf(trial)}`
  return `trial ${trial.number}  ${value}  ${paramsText(trial)}  ${secondsOf(trial) ?? '–'} s${best}`
}

export function summaryLine(study: Study, trials: readonly Trial[], total: number): string {
  const count = (state: Trial['state']): number => trials.filter((trial) => trial.state === state).length
  const nan = trials.filter(({ failure }) => failure?.kind === 'nan').length
  const done = count('complete') + count('pruned') + count('failed')
  const best = study.directions.length === 1 ? study.best(trials) : null
  const parts = [
    `${done}/${total} trials`,
    `${count('complete')} complete`,
    `${count('pruned')} pruned`,
    `${count('failed') - nan} failed`,
    `${nan} NaN`,
    `${count('running')} running`,
    ...(best === null ? [] : [`best ${short(best.values![0]!)} (trial ${best.number})`]),
  ]
  return parts.join(', ')
}

export function paramsText({ params }: Trial): string {
  return Object.entries(params)
    .map(([name, value]) => `${name}=${typeof value === 'number' ? short(value) : JSON.stringify(value)}`)
    .join(' ')
}

function lastOf({ reports }: Trial): string {
  const last = reports.at(-1)
  return last === undefined ? '' : `${short(last.value)} at ${last.step}`
}

export function short(value: number): string {
  return String(Number(value.toPrecision(4)))
}
