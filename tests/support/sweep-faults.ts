/** Workers of one study that are killed at random moments: what is counted in the end. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isFinished, Space, Study, type Storage, type Trial } from '../../src/sweep/index.ts'

export const faultSpace: Space = new Space([{ name: 'x', distribution: { type: 'float', low: -1, high: 1 } }])

export interface FaultOptions {
  /** what workers open: a journal's path or a PostgreSQL URL */
  readonly target: string
  /** the same place, for the observer */
  readonly storage: Storage
  readonly trials: number
  readonly workers: number
  /** SIGKILLs, spread evenly over the trials */
  readonly kills: number
  /** an empty folder */
  readonly folder: string
}

export interface FaultFigures {
  readonly trials: readonly Trial[]
  readonly kills: number
  /** of the killed, those that had a trial */
  readonly killedInTrial: number
  /** trials that were started again */
  readonly restarted: number
  /** number → how many workers were told that their result counts */
  readonly acknowledged: ReadonlyMap<number, number>
  readonly seconds: number
}

export async function runFaults(options: FaultOptions): Promise<FaultFigures> {
  const { storage, trials: wanted, workers, kills, folder } = options
  const study = await Study.open({ name: 'faults', space: faultSpace, storage, seed: 1 })
  const alive = new Set<ChildProcess>()
  const ready = new Set<ChildProcess>()
  const failures: string[] = []
  let killed = 0
  let killedInTrial = 0
  const spawnWorker = (): void => {
    const child = spawnOne(options)
    alive.add(child)
    child.stdout?.once('data', () => ready.add(child))
    let errors = ''
    child.stderr?.on('data', (data: Buffer) => (errors += data.toString()))
    child.once('exit', (code, signal) => {
      alive.delete(child)
      ready.delete(child)
      if (signal === 'SIGKILL') spawnWorker()
      else if (code !== 0) failures.push(errors)
    })
  }
  const began = performance.now()
  for (let i = 0; i < workers; i++) spawnWorker()
  try {
    for (;;) {
      const trials = await study.trials()
      const done = trials.filter(isFinished).length
      if (failures.length > 0) throw new Error(`a worker failed:\n${failures.join('\n')}`)
      if (done >= wanted && alive.size === 0) {
        const restarted = trials.filter(({ attempt }) => attempt > 1).length
        const seconds = (performance.now() - began) / 1000
        return { trials, kills: killed, killedInTrial, restarted, acknowledged: acknowledgements(folder), seconds }
      }
      const victims = [...ready]
      if (killed < kills && done < wanted && victims.length > 0 && done >= (killed * wanted) / (kills + 1)) {
        const victim = victims[Math.floor(Math.random() * victims.length)]!
        ready.delete(victim)
        if (trials.some(({ state, owner }) => state === 'running' && owner?.includes(`-${victim.pid}-`)))
          killedInTrial++
        victim.kill('SIGKILL')
        killed++
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  } finally {
    for (const child of alive) child.kill()
    await study.close()
  }
}

function spawnOne({ target, trials, folder }: FaultOptions): ChildProcess {
  const program = fileURLToPath(new URL('sweep-worker.ts', import.meta.url))
  return spawn(process.execPath, ['--import', 'tsx', program, target, String(trials), folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function acknowledgements(folder: string): Map<number, number> {
  const counts = new Map<number, number>()
  for (const file of readdirSync(folder).filter((name) => name.startsWith('done-'))) {
    for (const line of readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((text) => text !== '')) {
      const number = Number(line.split(' ')[0])
      counts.set(number, (counts.get(number) ?? 0) + 1)
    }
  }
  return counts
}

/** What is wrong with the figures: every trial finished once, none acknowledged twice, none lost. */
export function faultProblems({ trials, acknowledged }: FaultFigures, wanted: number): string[] {
  const problems: string[] = []
  if (trials.length !== wanted) problems.push(`${trials.length} trials instead of ${wanted}`)
  trials.forEach((trial, place) => {
    const { number, state, values, params } = trial
    if (number !== place) problems.push(`trial ${number} at place ${place}`)
    if (state !== 'complete') problems.push(`trial ${number} is ${state}: ${trial.failure?.message}`)
    else if (values![0] !== (params['x'] as number) ** 2) problems.push(`trial ${number} has another trial's value`)
    if (trial.reports.length !== 3) problems.push(`trial ${number} has ${trial.reports.length} reports`)
  })
  for (const [number, count] of acknowledged) {
    if (count > 1) problems.push(`trial ${number} was acknowledged ${count} times`)
    if (trials[number]?.state !== 'complete') problems.push(`trial ${number} was acknowledged and is not there`)
  }
  return problems
}
