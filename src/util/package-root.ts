/**
 * Finds files that ship with the package (fonts, example data), from the sources and from the compiled tree alike.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the nearest package.json at or above this module: the same from `src/util` and from `dist/util`. */
const packageRoot: string = findUpwards(dirname(fileURLToPath(import.meta.url)))

/** Absolute path of a file of this package, given relative to its root, with forward slashes. */
export function packageFile(relativePath: string): string {
  return join(packageRoot, ...relativePath.split('/'))
}

/** `0.1.0`: of this package. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }
  return version
}

function findUpwards(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (dirname(folder) === folder) throw new Error(`no package.json at or above ${start}`)
  }
}
