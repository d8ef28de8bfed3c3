/**
 * Which folders a run writes into. A second run of the same name gets `-2`, `-3`, …; folders are claimed by making them, which
 * succeeds for one process only.
 */

import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RunPaths } from '../phases/context.ts'
import { ConfigError } from '../util/errors.ts'
import { systemCode, writeError } from '../util/files.ts'
import { didYouMean } from '../util/suggest.ts'
import { listRuns } from './find-model.ts'

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

/** The newest run called `name`, `name-2`, `name-3` … or null. */
export function newestRun(root: string, name: string): RunPaths | null {
  const folder = join(root, 'snapshots')
  if (!existsSync(folder)) return null
  const numbers = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => numberOf(entry.name, name))
    .filter((number) => number > 0)
  return numbers.length === 0 ? null : runPaths(root, numbered(name, Math.max(...numbers)))
}

/** The run that would be made now; nothing is claimed. */
export function nextRun(root: string, name: string): RunPaths {
  for (let number = 1; ; number++) {
    const paths = runPaths(root, numbered(name, number))
    if (![paths.snapshots, paths.logs, paths.evalResults].some((folder) => existsSync(folder))) return paths
  }
}

/** Makes the folders of a new run. @throws {SnapshotError} when that is not possible */
export function claimRun(root: string, name: string): RunPaths {
  for (;;) {
    const paths = nextRun(root, name)
    try {
      mkdirSync(join(root, 'snapshots'), { recursive: true })
      mkdirSync(paths.snapshots)
      mkdirSync(paths.logs, { recursive: true })
      return paths
    } catch (error) {
      // Another process took the number between the look and the mkdir: take the next one.
      if (systemCode(error) !== 'EEXIST') throw writeError(error, paths.snapshots)
    }
  }
}

/** The run that --resume goes on with. @throws {ConfigError} when there is none */
export function runToResume(root: string, name: string): RunPaths {
  const exact = runPaths(root, name)
  const found = newestRun(root, name) ?? (existsSync(exact.snapshots) ? exact : null)
  if (found !== null) return found
  const runs = listRuns(root)
  throw new ConfigError(
    `--resume: expected a run called "${name}" below ${join(root, 'snapshots')}, found none.${didYouMean(name, runs)} Run without --resume to start one.`,
  )
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
