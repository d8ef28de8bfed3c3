/** `--model digits`, `--model snapshots/digits`, `--model path/to/model.onnx` → what predict opens. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from '../util/errors.ts'
import { didYouMean } from '../util/suggest.ts'

/**
 * @param model a file, a folder, or the name of a run below `root`
 * @returns the path of an existing file or folder
 * @throws {ConfigError} when there is neither such a path nor such a run
 */
export function findModel(model: string, root: string): string {
  // A run comes before a folder of the same name: `photos` is more likely the run made from ./photos than that folder of images.
  const isFile = existsSync(model) && statSync(model).isFile()
  const found = (isFile ? [model] : [join(root, 'snapshots', model), model]).find((path) => existsSync(path))
  if (found !== undefined) return found
  const runs = listRuns(root)
  const known = runs.length === 0 ? ` There are no runs below ${root}.` : ` Runs: ${runs.slice(0, 20).join(', ')}.`
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
