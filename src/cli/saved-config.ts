/** The configuration that was saved with a run: what `--resume` goes on with, and what a changed one is compared with. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { configToPlain, readPlainYaml, type ResolvedConfig } from '../config/index.ts'
import { newestRun } from '../phases/run-folder.ts'
import { ConfigError } from '../util/errors.ts'

/**
 * config.yaml of the newest run of that name; undefined when there is no such run (resuming then says so).
 *
 * @throws {ConfigError} when the run has lost the file
 */
export function savedConfig(directory: string, name: string): string | undefined {
  const run = newestRun(directory, name)
  if (run === null) return undefined
  const path = join(run.snapshots, 'config.yaml')
  if (existsSync(path)) return path
  throw new ConfigError(
    `${path}: no such file, so it is not known how ${run.name} was trained. Give the configuration it was started with: --config file.yaml --resume.`,
  )
}

/** Sections that may change between two parts of a run without changing what is learned. */
const free = new Set(['run', 'logging', 'device', 'threads', 'phases', 'predict'])

/** `arcface.lr: 0.1 → 0.2` for every key that differs from what the run was started with; none when there is nothing to compare. */
export function changedKeys(resolved: ResolvedConfig): string[] {
  const run = newestRun(resolved.config.run.directory, resolved.config.run.name)
  const path = run === null ? null : join(run.snapshots, 'config.yaml')
  if (path === null || !existsSync(path)) return []
  return differences(readPlainYaml(path), configToPlain(resolved), [])
}

function differences(before: unknown, now: unknown, path: readonly string[]): string[] {
  if (path.length === 1 && free.has(path[0] as string)) return []
  if (isMap(before) && isMap(now)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])]
    return keys.flatMap((key) => differences(before[key], now[key], [...path, key]))
  }
  const [old, fresh] = [before, now].map((value) => JSON.stringify(value) ?? 'unset')
  return old === fresh ? [] : [`${path.join('.')}: ${old} → ${fresh}`]
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
