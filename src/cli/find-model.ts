/** `--model digits`, `--model snapshots/digits`, `--model path/to/model.onnx` → the ONNX file that is meant. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, SnapshotError } from '../util/errors.ts'
import { didYouMean } from '../util/suggest.ts'

/**
 * @param model a file, a folder that holds one, or the name of a run below `root`
 * @throws {ConfigError} when there is no such run, {SnapshotError} when it was not exported
 */
export function findModel(model: string, root: string): string {
  if (existsSync(model) && statSync(model).isFile()) return model
  const folders = [model, join(root, 'snapshots', model)].filter((folder) => existsSync(folder))
  for (const folder of folders) {
    const found = newestOnnx(folder, 3)
    if (found !== null) return found
  }
  if (folders.length > 0) {
    throw new SnapshotError(
      `${folders.join(', ')}: expected an exported model (*.onnx), found none. Export it: run-pipeline --phases export --name ${model}`,
    )
  }
  const runs = listRuns(root)
  const known = runs.length === 0 ? ' There are no runs yet.' : ` Runs: ${runs.slice(0, 20).join(', ')}.`
  throw new ConfigError(
    `--model: expected an .onnx file, a folder or the name of a run, got "${model}".${didYouMean(model, runs)}${known}`,
  )
}

/** Names of the runs below `root`, newest first. */
export function listRuns(root: string): string[] {
  const folder = join(root, 'snapshots')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ name, time: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time)
    .map(({ name }) => name)
}

function newestOnnx(folder: string, depth: number): string | null {
  let best: { path: string; time: number } | null = null
  const visit = (at: string, levels: number): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name)
      if (entry.isDirectory() && levels > 0) visit(path, levels - 1)
      if (!entry.isFile() || !entry.name.toLowerCase().endsWith('.onnx')) continue
      const time = statSync(path).mtimeMs
      if (best === null || time > best.time) best = { path, time }
    }
  }
  if (statSync(folder).isDirectory()) visit(folder, depth)
  return (best as { path: string } | null)?.path ?? null
}
