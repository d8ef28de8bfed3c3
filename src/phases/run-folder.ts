/**
 * Which folders a run writes into. A second run of the same name gets `-2`, `-3`, …; a folder is claimed by making it, which
 * succeeds for one process only.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../util/errors.ts'
import { ensureDirSync, makeFolder, systemCode, writeError } from '../util/files.ts'
import { didYouMean } from '../util/suggest.ts'
import { predecessors, trainingPhaseNames, type PhaseName, type RunPaths } from './context.ts'

/** The folders of a run, whether they exist or not. */
export function runPaths(root: string, name: string): RunPaths {
  return {
    name,
    root,
    snapshots: join(root, 'snapshots', name),
    logs: join(root, 'logs', name),
    evalResults: join(root, 'eval_results', name),
  }
}

/** The runs called `name`, `name-2`, `name-3` …, the highest number first. */
function runsOf(root: string, name: string): RunPaths[] {
  return runNames(root)
    .map((folder) => numberOf(folder, name))
    .filter((number) => number > 0)
    .sort((a, b) => b - a)
    .map((number) => runPaths(root, numbered(name, number)))
}

/** The run of that name with the highest number, or null. */
export function newestRun(root: string, name: string): RunPaths | null {
  return runsOf(root, name)[0] ?? null
}

export interface RunChoice {
  readonly run: RunPaths
  /** where predecessors' snapshots are looked for when `run` has none */
  readonly parentRun: RunPaths | null
  /** its folders were made for this choice */
  readonly isNew: boolean
}

/**
 * The run to work in.
 *
 * With `resume` the newest run of that name. Otherwise a new one, unless the phases only continue one: evaluation and export of
 * what it trained, or training phases that it has not had yet. Which one: the newest that has a predecessor of the first phase. A
 * phase that it did have is not overwritten: it goes into a new run, which takes the predecessor's snapshot from there.
 *
 * @param options.claim false only tells which run it would be; nothing is made
 * @throws {ConfigError} when there is nothing to resume, {SnapshotError} when the folders cannot be made
 */
export function chooseRun(
  root: string,
  name: string,
  options: { readonly phases: readonly PhaseName[]; readonly resume: boolean; readonly claim?: boolean },
): RunChoice {
  const runs = runsOf(root, name)
  if (options.resume) {
    const [newest] = runs
    if (newest === undefined)
      throw new ConfigError(
        `resume: expected a run called "${name}" below ${join(root, 'snapshots')}, found none.` +
          `${didYouMean(name, runNames(root))} Run without --resume to start one.`,
      )
    return { run: newest, parentRun: null, isNew: false }
  }
  const [first] = options.phases
  const had = (run: RunPaths, phase: PhaseName): boolean => existsSync(join(run.snapshots, phase))
  const earlier =
    first === undefined ? undefined : runs.find((run) => predecessors[first].some((phase) => had(run, phase)))
  const repeats = options.phases.some(
    (phase) => earlier !== undefined && trainingPhaseNames.includes(phase) && had(earlier, phase),
  )
  if (earlier !== undefined && !repeats) return { run: earlier, parentRun: null, isNew: false }
  return { run: newRun(root, name, options.claim ?? true), parentRun: earlier ?? null, isNew: options.claim ?? true }
}

/** Gives the folders of a new run back, and with them its name, when it ended before any phase began to work in it. */
export function releaseRun(run: RunPaths): void {
  if (!existsSync(run.snapshots)) return // deleted while the run went on: what is left is the log of it
  const worked = readdirSync(run.snapshots, { withFileTypes: true }).some((entry) => entry.isDirectory())
  if (worked || existsSync(run.evalResults)) return
  for (const folder of [run.snapshots, run.logs]) rmSync(folder, { recursive: true, force: true })
}

/** The first free number; its folders are made when it is claimed. */
function newRun(root: string, name: string, claim: boolean): RunPaths {
  for (let number = 1; ; number++) {
    const paths = runPaths(root, numbered(name, number))
    if ([paths.snapshots, paths.logs, paths.evalResults].some((folder) => existsSync(folder))) continue
    if (!claim) return paths
    ensureDirSync(join(root, 'snapshots'))
    try {
      makeFolder(paths.snapshots)
    } catch (error) {
      // Another process took the number between the look and the mkdir: take the next one.
      if (systemCode(error) === 'EEXIST') continue
      throw writeError(error, paths.snapshots)
    }
    ensureDirSync(paths.logs)
    return paths
  }
}

function runNames(root: string): string[] {
  const folder = join(root, 'snapshots')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
}

function numbered(name: string, number: number): string {
  return number === 1 ? name : `${name}-${number}`
}

/** 1 for the name itself, n for `name-n` with n ≥ 2, else 0. */
function numberOf(folder: string, name: string): number {
  if (folder === name) return 1
  const digits = folder.startsWith(`${name}-`) ? folder.slice(name.length + 1) : ''
  return /^[1-9]\d{0,8}$/.test(digits) && digits !== '1' ? Number(digits) : 0
}
